"""Which Python the servers run on: one that was built with optimisations, if there is one.

A server in Python gains by such a build what a server in C does not, up to half of its time. So a
comparison on a Python that was compiled for development is none; and where there is no other, the result says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

_NEWEST_MINOR = 14
_OLDEST_MINOR = 11
_FOLDERS_OF_DISTRIBUTIONS = ("/usr/bin/", "/bin/")
_ASK = (
    "import json, os, sys, sysconfig; print(json.dumps(["
    "os.path.realpath(sys.executable), list(sys.version_info[:3]), sysconfig.get_config_var('CONFIG_ARGS') or '']))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    path: str
    version: tuple[int, ...]
    is_optimised: bool
    """Built with profile-guided optimisation, as far as one can tell."""

    def __str__(self) -> str:
        kind = (
            "optimised"
            if self.is_optimised
            else "NOT an optimised build: servers written in C look better than they are"
        )
        return f"Python {'.'.join(map(str, self.version))} ({kind})"


def is_optimised(path: str, configured_with: str) -> bool:
    """Debian and its kin optimise in their own way, without the option, and always."""
    return "--enable-optimizations" in configured_with or path.startswith(_FOLDERS_OF_DISTRIBUTIONS)


def best(found: Iterable[Interpreter]) -> Interpreter | None:
    """Optimised first, then the newest."""
    fit = [one for one in found if one.version >= (3, _OLDEST_MINOR)]
    return max(fit, key=lambda one: (one.is_optimised, one.version), default=None)


def choose(wanted: str = "") -> Interpreter:
    """The one at the path `wanted`, else the best in $PATH, /usr/bin, or the one we run on."""
    if wanted:
        found = ask(wanted)
        if found is None:
            raise SystemExit(f"benchmarks: {wanted} is no Python")
        return found
    minors = range(_OLDEST_MINOR, _NEWEST_MINOR + 1)
    names = ["python3", *(f"python3.{minor}" for minor in minors)]
    paths = {shutil.which(name) for name in names} | {shutil.which(name, path="/usr/bin") for name in names}
    candidates = [found for path in {*paths, sys.executable} if path and (found := ask(path))]
    chosen = best(candidates)
    assert chosen is not None, "the one that runs this is new enough"
    return chosen


def ask(path: str) -> Interpreter | None:
    """What the interpreter at this path is; None when it does not start."""
    try:
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    real, version, configured_with = json.loads(done.stdout)
    return Interpreter(path, tuple(version), is_optimised(real, configured_with))
