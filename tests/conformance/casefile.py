"""The cases under cases/, read into values. README.md says what the keys mean."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "cases"

_KEYS = {"name", "rule", "raw", "line", "fields", "post", "chunks", "sees", "status", "then", "splits"}
_POST = "POST / HTTP/1.1\nHost: example\n"
_WRAP = {
    "raw": ("", ""),
    "line": ("", "\nHost: example\n\n"),
    "fields": ("GET / HTTP/1.1\nHost: example\n", "\n\n"),
    "post": (_POST, ""),
    "chunks": (_POST + "Transfer-Encoding: chunked\n\n", ""),
}
_repeat = re.compile(r"<<(.+?)\*(\d+)>>")
_escape = re.compile(r"\\(x[0-9a-fA-F]{2}|[rnt\\])")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what is sent, and what must come of it."""

    name: str
    rule: str
    file: str
    data: bytes
    sees: tuple[dict[str, Any], ...]
    """Of each request that the application gets, what is compared. Text stands for bytes, as latin-1."""
    status: int | None
    then: str
    splits: tuple[int, ...]

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def _unescape(text: str) -> str:
    text = _repeat.sub(lambda match: match[1] * int(match[2]), text)
    return _escape.sub(lambda match: _ESCAPES[match[1]] if match[1] in _ESCAPES else chr(int(match[1][1:], 16)), text)


def _decoded(value: Any) -> Any:
    match value:
        case str():
            return _unescape(value)
        case dict():
            return {key: _decoded(item) for key, item in value.items()}
        case list():
            return [_decoded(item) for item in value]
    return value


def _case(entry: dict[str, Any], file: str) -> Case:
    name = entry["name"]
    assert not entry.keys() - _KEYS, f"{file}: {name}: unknown keys {entry.keys() - _KEYS}"
    (kind,) = entry.keys() & _WRAP.keys()
    before, after = (part.replace("\n", "\r\n") for part in _WRAP[kind])
    status = entry.get("status")
    return Case(
        name=name,
        rule=entry["rule"],
        file=file,
        data=(before + _unescape(entry[kind].replace("\n", "\r\n")) + after).encode("latin-1"),
        sees=tuple(_decoded(entry.get("sees", [] if status else [{}]))),
        status=status,
        then=entry.get("then", "open"),
        splits=tuple(entry.get("splits", ())),
    )


def load() -> list[Case]:
    """All cases, in the order of the files and in them."""
    cases = []
    for path in sorted(FOLDER.glob("*.toml")):
        entries = tomllib.loads(path.read_text("utf-8"))["case"]
        cases += [_case(entry, path.stem) for entry in entries]
    names = [case.id for case in cases]
    assert len(set(names)) == len(names), "two cases have one name"
    return cases
