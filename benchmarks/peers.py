"""The environment that every server runs in, ours included: one interpreter for all.

A peer that does not install on this machine is left out of the run and named in the report; it is no failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.interpreter import Interpreter
from benchmarks.servers import Server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / ".venv-peers"

FRAMEWORKS = ("django", "fastapi", "flask", "matplotlib")
"""What the applications of the questions need, and the plots."""

_PROBE = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the servers are installed."""

    folder: Path

    @property
    def bin(self) -> str:
        return str(self.folder / "bin")

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def compiled(self) -> Path:
        """Ours as `pip install` leaves it: made of the working tree, and compiled."""
        return self.folder / "hybrid-compiled"

    def variables(self, *, is_pure: bool = False) -> dict[str, str]:
        """Which of ours runs: compiled, or straight from the working tree.

        The activation makes scripts of the environment findable.
        """
        return {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'workers'}" if is_pure else str(self.compiled),
            "PYTHONDONTWRITEBYTECODE": "",
            "VIRTUAL_ENV": str(self.folder),
        }

    def version(self, distribution: str) -> str:
        """The installed version, or "" when it is not installed."""
        done = subprocess.run([self.python, "-c", _PROBE, distribution], capture_output=True, text=True, check=False)
        return done.stdout.strip()


def prepare(servers: Sequence[Server], interpreter: Interpreter, folder: Path = FOLDER) -> Environment:
    """Make the environment if need be and install what is missing. Says what it does, since it takes a while."""
    environment = Environment(folder)
    if not Path(environment.python).exists():
        name = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        print(f"Creating {name} with {interpreter.path}: {interpreter}", flush=True)
        subprocess.run([interpreter.path, "-m", "venv", "--without-pip", folder], check=True)
    # Our own pip, told to work there: distributions' Pythons come without one.
    pip = [sys.executable, "-m", "pip", "--python", environment.python, "--quiet", "--disable-pip-version-check"]
    pip.append("install")
    if not environment.version("hybrid-arbiter"):
        # For our dependencies; the code itself comes from the working tree.
        print("Installing hybrid", flush=True)
        subprocess.run([*pip, "--editable", f"{ROOT}[gevent]"], check=True)
    _compile(environment, pip)
    for package in FRAMEWORKS:
        if not environment.version(package):
            print(f"Installing {package}", flush=True)
            subprocess.run([*pip, package], check=True)
    for package in sorted({server.package for server in servers if server.package}):
        wanted = {one.undeclared for one in servers if one.package == package and one.undeclared}
        if not (is_installed(environment, package) and all(environment.version(one) for one in wanted)):
            print(f"Installing {', '.join([package, *sorted(wanted)])}", flush=True)
            # What it does not ask for may be a parser in C that does not build here: then it runs without.
            for choice in [[package, *wanted], [package]] if wanted else [[package]]:
                done = subprocess.run([*pip, *choice], capture_output=True, text=True, check=False)
                if done.returncode == 0:
                    break
            else:
                print(f"  {package} does not install here and is left out", file=sys.stderr, flush=True)
    return environment


def _compile(environment: Environment, pip: Sequence[str]) -> None:
    """Ours anew, if its sources have changed."""
    sources = sorted(
        path for base in ("hybrid", "workers") for path in (ROOT / base).rglob("*.p[yx]*") if path.is_file()
    )
    state = hashlib.sha256(
        b"".join(path.read_bytes() for path in sources if path.suffix in (".py", ".pxd"))
    ).hexdigest()
    stamp = environment.compiled / ".made-of"
    if stamp.exists() and stamp.read_text() == state:
        return
    print("Compiling hybrid, which takes a minute or two", flush=True)
    shutil.rmtree(environment.compiled, ignore_errors=True)
    subprocess.run(
        [*pip, "--no-deps", "--target", environment.compiled, ROOT],
        env={**os.environ, "COMPILE_HYBRID": "1"},
        check=True,
    )
    stamp.write_text(state)


def is_installed(environment: Environment, package: str) -> bool:
    """Whether the distribution and the ones its extras are there for were installed."""
    name, _, extras = package.partition("[")
    if not environment.version(name):
        return False
    needed = _EXTRAS.get(package, extras.rstrip("]"))
    return not needed or bool(environment.version(needed))


_EXTRAS = {"uvicorn[standard]": "httptools"}
"""A distribution that is there once an extra is installed, where it is not the extra's own name."""


def versions(environment: Environment, servers: Iterable[Server]) -> dict[str, str]:
    """Package -> version for the report; "" for what is not installed."""
    names = sorted({server.package.partition("[")[0] or "hybrid-arbiter" for server in servers})
    return {name: environment.version(name) for name in names}
