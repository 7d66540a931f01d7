"""What the build of a wheel does beside packing: compile the modules that every request runs through.

A module is compiled when a file of its name with the types of its attributes, `.pxd`, stands beside it. The source is
the same Python that runs where nothing is compiled; see docs/decisions/016-compiled-build.md. Not part of the wheel.

`COMPILE_HYBRID=0` packs pure Python, `COMPILE_HYBRID=1` fails where compiling does, and compiles in place for an
editable installation, too. Without either an editable installation stays pure, as what is compiled hides later changes.
"""

from __future__ import annotations

import os
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SWITCH: Final = "COMPILE_HYBRID"
"""Variables that begin with HYBRID_ are settings."""
SOURCES: Final = (".", "workers")
"""Where packages stand, from the root of the project."""
_C_OPTIONS: Final = ["-O3", "-fno-plt", "-g0", "-Werror=incompatible-pointer-types"]
"""A function called with other arguments than it takes is an error, as compilers newer than GCC 13 have it anyway."""


class CompileHook(BuildHookInterface[Any]):
    """See the module. Found by hatchling, which reads [tool.hatch.build.targets.wheel.hooks.custom]."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the files of a wheel are collected. `version` is "standard" or "editable"."""
        wish = os.environ.get(SWITCH, "")
        if self.target_name != "wheel" or wish == "0" or (version == "editable" and wish != "1"):
            return
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="hybrid-compiling-")
        try:
            compiled = compile_all(root, Path(self._folder.name))
        except Exception as error:
            if wish == "1":
                raise
            self.app.display_warning(
                f"Not compiled, so this hybrid is pure Python and a request costs more: {type(error).__name__}:"
                f" {error}. It needs a C compiler and the headers of Python; {SWITCH}=0 asks for pure Python."
            )
            return
        if version == "editable":
            for path, place in compiled.items():
                Path(root, place).write_bytes(path.read_bytes())
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for path, place in compiled.items():
            build_data["force_include"][str(path)] = place.removeprefix("workers/")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """When the wheel is packed."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()


def modules(root: Path) -> dict[str, Path]:
    """What is to be compiled: names of modules, and where their sources are from the root of the project."""
    found = {}
    for base in SOURCES:
        for types in sorted(Path(root, base).glob("hybrid*/**/*.pxd")):
            name = ".".join(types.relative_to(root / base).with_suffix("").parts)
            found[name] = types.with_suffix(".py").relative_to(root)
    return found


def compile_all(root: Path, folder: Path) -> dict[Path, str]:
    """Compile into an empty folder. Returns what came out, and where it belongs from the root of the project."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    sources = modules(root)
    here = Path.cwd()
    os.chdir(root)  # sources are named from here in tracebacks
    try:
        extensions = cythonize(
            [Extension(name, [str(source)], extra_compile_args=_C_OPTIONS) for name, source in sources.items()],
            include_path=list(SOURCES),
            build_dir=str(folder / "c"),
            language_level=3,
            quiet=True,
            # Annotations are for the type checker, which knows subclasses; what C may rely on is in the .pxd files.
            # Where there is None instead, let it be an exception as in Python.
            compiler_directives={"annotation_typing": False, "nonecheck": True},
        )
        command = build_ext(Distribution({"name": "hybrid", "ext_modules": extensions, "packages": []}))
        command.build_lib = str(folder / "lib")
        command.build_temp = str(folder / "temp")
        command.parallel = os.cpu_count() or 1
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(here)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    return {
        folder.joinpath("lib", *name.split(".")).with_name(source.stem + suffix): str(source.with_suffix("")) + suffix
        for name, source in sources.items()
    }
