"""What a start line says, wherever it stands: which server, with which arguments and variables. Pure.

A Procfile's `web: ...`, a unit's `ExecStart=...`, `exec`, `env A=b`, `poetry run`, `python -m` and paths in front
are taken off.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from hybrid.errors import HybridError

SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "daphne", "waitress-serve")
_MODULES = {"waitress": "waitress-serve"}
_WRAPPERS = {("poetry", "run"), ("uv", "run"), ("pipenv", "run"), ("pdm", "run"), ("hatch", "run"), ("rye", "run")}
_IGNORED = ("exec", "nohup", "command", "sudo", "env", "--")
_LABEL = re.compile(r"(?:[A-Za-z0-9_-]+:\s+|ExecStart\s*=\s*[-@+!:|]*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*")


class StartError(HybridError):
    """The line starts no server that we know."""


@dataclass(frozen=True, slots=True)
class Start:
    """A start line, taken apart."""

    server: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...] = ()
    """The "NAME=value" in front."""
    wrapper: tuple[str, ...] = ()
    """Such as `poetry run`, which the new command needs as well."""


def parse_start(words: Sequence[str]) -> Start:
    """Take it apart. `words` are a command's words, or the whole line as one. Raises StartError."""
    words = shlex.split(_LABEL.sub("", words[0].strip(), count=1)) if len(words) == 1 else _without_label(list(words))
    environment: list[str] = []
    wrapper: tuple[str, ...] = ()
    while words:
        if tuple(words[:2]) in _WRAPPERS:
            wrapper, words = tuple(words[:2]), words[2:]
        elif words[0] in _IGNORED:
            words = words[1:]
        elif _ASSIGNMENT.match(words[0]):
            environment.append(words[0])
            words = words[1:]
        elif _PYTHON.fullmatch(words[0]) and words[1:2] == ["-m"] and len(words) > 2:
            words = [_MODULES.get(words[2], words[2]), *words[3:]]
        elif _PYTHON.fullmatch(words[0]) and words[1:2] == ["-u"]:
            words = [words[0], *words[2:]]
        else:
            break
    name = words[0].rpartition("/")[2] if words else ""
    if name not in SERVERS:
        found = repr(name) if name else "nothing"
        raise StartError(f"translate: found {found} where the server stands; expected one of {', '.join(SERVERS)}")
    return Start(name, tuple(words[1:]), tuple(environment), wrapper)


def _without_label(words: list[str]) -> list[str]:
    if re.fullmatch(r"[A-Za-z0-9_-]+:", words[0]):
        return words[1:]
    if words[0].startswith("ExecStart"):
        first = _LABEL.sub("", words[0], count=1)
        return [first, *words[1:]] if first else words[1:]
    return words
