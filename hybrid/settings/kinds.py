"""The kinds of value that a setting can have, and how each is read.

A value arrives as text (command line, environment) or as a native value (TOML, Python file); one
function per kind takes both, so that `timeout = 30`, `timeout = "30s"` and `--timeout 30` cannot
come to mean different things. A kind raises ValueError for what it cannot use; its `expected` says
in words what it can.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | float | bool | tuple[str, ...] | Opaque"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that only its user understands, such as a dictionary for Python's logging. False when there is none."""

    value: object = None

    def __bool__(self) -> bool:
        return bool(self.value)


NOTHING = Opaque()

AUTO = "auto"
"""What the kind `workers` gives for "auto": the number is known only on the machine that runs it."""


class Kind(NamedTuple):
    """How one kind of value is read and described."""

    metavar: str
    expected: str
    parse: Callable[[object], Value]
    choices: tuple[str, ...] = ()
    is_list: bool = False


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, os.PathLike)):
        raise ValueError
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "no", "n", "off"), False),
}


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (str, int)):
        raise ValueError
    try:
        return _WORDS[str(value).strip().lower()]
    except KeyError:
        raise ValueError from None


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError
    number = int(value.strip().replace("_", "")) if isinstance(value, str) else int(value)
    if number != value and not isinstance(value, str):
        raise ValueError
    return number


def _count(value: object) -> int:
    number = _whole(value)
    if number < 0:
        raise ValueError
    return number


def _positive(value: object) -> int:
    number = _whole(value)
    if number < 1:
        raise ValueError
    return number


def _workers(value: object) -> int | str:
    if isinstance(value, str) and value.strip().lower() == AUTO:
        return AUTO
    return _positive(value)


_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|)", re.ASCII)
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(value: object) -> float:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip().lower())
        if match is None:
            raise ValueError
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError
    return float(value)


_SIZE = re.compile(r"(\d+)\s*(?:([kmg])(?:i?b)?|b?)", re.ASCII)
_BYTES = {None: 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _size(value: object) -> int:
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip().lower().replace("_", ""))
        if match is None:
            raise ValueError
        return int(match[1]) * _BYTES[match[2]]
    return _count(value)


def _mode(value: object) -> int:
    """File mode bits. Text with a leading zero is octal, as in chmod and gunicorn."""
    if isinstance(value, str):
        text = value.strip().lower()
        is_octal = text.startswith("0") and text.isdigit()
        number = int(text, 8) if is_octal else int(text, 0)
    else:
        number = _whole(value)
    if not 0 <= number <= 0o7777:
        raise ValueError
    return number


def _list(value: object, separator: str) -> tuple[str, ...]:
    if isinstance(value, str):
        items = value.split(separator) if separator else [value]
    elif isinstance(value, (list, tuple)):
        items = [part for item in value for part in (_text(item).split(separator) if separator else [_text(item)])]
    else:
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _joined(value: object) -> str:
    return ",".join(_list(value, ","))


def _url_path(value: object) -> str:
    path = _text(value).strip().rstrip("/")
    if path and not path.startswith("/"):
        raise ValueError
    return path


def _target(value: object) -> str:
    target = _text(value).strip()
    if target and (not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target):
        raise ValueError
    return target


TEXT = Kind("TEXT", "text", _text)
TARGET = Kind("PATH", "a path to request that begins with /, such as /healthz", _target)
PATH = Kind("PATH", "a path", _text)
URL_PATH = Kind("PATH", "a URL path that begins with /", _url_path)
FLAG = Kind("", "true or false", _flag)
COUNT = Kind("N", "a whole number, 0 or more", _count)
POSITIVE = Kind("N", "a whole number, 1 or more", _positive)
WORKERS = Kind("N|auto", "a whole number, 1 or more, or auto", _workers)
DURATION = Kind("SECONDS", "seconds, 0 or more, such as 30, 0.5, 500ms or 2m", _duration)
SIZE = Kind("BYTES", "a number of bytes, 0 or more, such as 65536, 64k or 16M", _size)
MODE = Kind("MODE", "file mode bits, such as 022 or 0o077", _mode)
ADDRESSES = Kind("ADDRESS", "addresses separated by commas, or a list", lambda value: _list(value, ","), is_list=True)
NAMES = Kind("NAME", "names separated by commas, or a list", lambda value: _list(value, ","), is_list=True)
PATHS = Kind("PATH", "paths separated by commas, or a list", lambda value: _list(value, ","), is_list=True)
TARGETS = Kind(
    "PATH", "paths to request that begin with /", lambda value: tuple(map(_target, _list(value, ","))), is_list=True
)
COMMA_TEXT = Kind("LIST", "text with commas, or a list", _joined)


def _pairs(value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        return tuple(f"{name}={_text(item)}" for name, item in value.items())
    items = _list(value, "")
    if any("=" not in item for item in items):
        raise ValueError
    return items


PAIRS = Kind("KEY=VALUE", "KEY=VALUE, a list of them, or a table", _pairs, is_list=True)


def _headers(value: object) -> tuple[str, ...]:
    """`Name: value` each; a mapping, and uvicorn's pairs, come out the same."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        value = [": ".join(map(_text, item)) if isinstance(item, (list, tuple)) else item for item in value]
    found = []
    for item in _list(value, ""):
        name, separator, text = item.partition(":")
        if not separator or not _HEADER_NAME.fullmatch(name.strip()) or not _HEADER_VALUE.fullmatch(text.strip()):
            raise ValueError
        found.append(f"{name.strip()}: {text.strip()}")
    return tuple(found)


_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

HEADERS = Kind("NAME:VALUE", "`Name: value`, or a list of them", _headers, is_list=True)


def _patterns(value: object) -> tuple[str, ...]:
    found = _list(value, "")
    for text in found:
        try:
            re.compile(text.encode())
        except re.error as error:
            raise ValueError(f"{text[:80]!r} is no regular expression: {error}") from None
    return found


PATTERNS = Kind("REGEX", "a regular expression, or a list of them", _patterns, is_list=True)


def _class(value: object) -> str:
    """A class by its name; a class that a Python settings file names as such counts as its name."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


CLASS = Kind("CLASS", "the name of a class, such as package.module.Class", _class)


def _mapping(value: object) -> Opaque:
    if isinstance(value, Opaque):
        return value
    if isinstance(value, str):
        import json

        value = json.loads(value)
    if not isinstance(value, dict):
        raise ValueError
    return Opaque(value)


MAPPING = Kind("TABLE", "a dictionary", _mapping)


def written(metavar: str, expected: str) -> Kind:
    """Texts and tables as they were written, for parts of the server that this layer does not know to read.

    One text may hold several, separated by semicolons or lines, for the environment. The value is a tuple.
    """

    def parse(value: object) -> Opaque:
        if isinstance(value, Opaque):
            return value
        if isinstance(value, str):
            value = [item.strip() for item in re.split(r"[;\n]", value) if item.strip()]
        items = (value,) if isinstance(value, dict) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, dict)) for item in items):
            raise ValueError
        return Opaque(tuple(items)) if items else NOTHING

    return Kind(metavar, expected, parse, is_list=True)


SWITCH = Kind("true|false", "true or false", _flag)


def choice(*choices: str, also: dict[object, str] | None = None, metavar: str = "") -> Kind:
    """One of a few words, in any case. `also` maps other spellings, and True or False, to one of them."""

    def parse(value: object) -> str:
        if also is not None and isinstance(value, (str, bool)) and value in also:
            return also[value]
        word = str(value).strip().lower()
        if word not in choices:
            raise ValueError
        return word

    return Kind(metavar or "|".join(choices), "one of " + ", ".join(choices), parse, choices)


def number_choice(*choices: int) -> Kind:
    """One of a few numbers."""

    def parse(value: object) -> int:
        number = _whole(value)
        if number not in choices:
            raise ValueError
        return number

    words = tuple(str(number) for number in choices)
    return Kind("|".join(words), "one of " + ", ".join(words), parse, words)
