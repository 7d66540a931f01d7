"""The access log format: gunicorn's atoms, compiled into one function.

Interpreting a format per request (a dict of twenty values and one `%`) costs more than the whole
request parser. Here the format becomes the source of one function that touches only what is used
in it: one pass over the request headers, one `%`. Literal text and header names enter that
source by repr() only, so the format cannot inject code.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast


class LoggedRequest(Protocol):
    """What the access log reads of a request."""

    method: str
    target: bytes
    path: bytes
    query: bytes
    version: int
    headers: list[tuple[bytes, bytes]]


Headers: TypeAlias = "list[tuple[bytes, bytes]]"
Render: TypeAlias = (
    "Callable[[LoggedRequest, int, int, float, str, Headers | None, Mapping[str, object] | None, str], str]"
)


@dataclass(frozen=True, slots=True)
class CompiledFormat:
    """A format made into a function, and what that function wants to be given. `unknown` atoms print "-"."""

    render: Render
    needs_response_headers: bool
    needs_environ: bool
    unknown: tuple[str, ...]


_ATOM = re.compile(r"%(?:%|\(([^)]*)\)([-+ #0]*\d*(?:\.\d+)?)([sdif]))")

_NUMBERS = {
    "s": "status",
    "B": "response_bytes",
    "b": "response_bytes",
    "T": "int(duration)",
    "M": "int(duration * 1000)",
    "D": "int(duration * 1000000)",
}
_METHOD = "(request.method if request.method in METHODS else clean_text(request.method))"
_TEXTS = {
    "h": "(clients.get(client) or clean_client(client))",
    "l": "'-'",
    "t": "stamp",
    "r": f"{_METHOD} + ' ' + clean(request.target) + (' HTTP/1.1' if request.version else ' HTTP/1.0')",
    "m": _METHOD,
    "U": "clean(request.path)",
    "q": "clean(request.query)",
    "H": "('HTTP/1.1' if request.version else 'HTTP/1.0')",
    "L": "'%.6f' % duration",
    "p": "'<%d>' % getpid()",
}
_FIELDS = {"f": "referer", "a": "user-agent"}

_NAMED = re.compile(r"\{(.+)\}([ioe])", re.DOTALL)


def compile_format(text: str) -> CompiledFormat:
    """Compile a format. Raises ValueError, saying where, for a % that begins no atom."""
    template: list[str] = []
    values: list[str] = []
    fields: dict[str, str] = {}
    answers: dict[str, str] = {}
    unknown: list[str] = []
    needs_environ = False
    at = 0
    for match in _ATOM.finditer(text):
        template.append(_literal(text, at, match.start()))
        at = match.end()
        name, width, conversion = match.groups()
        if name is None:
            template.append("%%")
            continue
        named = _NAMED.fullmatch(name)
        if name in _NUMBERS:
            values.append(_NUMBERS[name])
        elif name == "u":
            values.append(_unless_absent("user", fields.setdefault("authorization", f"field{len(fields)}")))
        elif name in _TEXTS:
            values.append(_TEXTS[name])
        elif name in _FIELDS or (named and named[2] == "i"):
            field = _FIELDS.get(name) or name[1:-2].lower()
            values.append(_unless_absent("clean", fields.setdefault(field, f"field{len(fields)}")))
        elif named and named[2] == "o":
            values.append(_unless_absent("clean", answers.setdefault(named[1].lower(), f"answer{len(answers)}")))
        elif named:
            needs_environ = True
            values.append(f"from_environ(environ, {named[1]!r})")
        else:
            unknown.append(name)
            values.append("'-'")
        template.append(f"%{width}{conversion if name in _NUMBERS else 's'}")
    template.append(_literal(text, at, len(text)))
    source = _source("".join(template) + "\n", values, fields, answers)
    return CompiledFormat(_function(source), bool(answers), needs_environ, tuple(unknown))


def _literal(text: str, start: int, end: int) -> str:
    """The text between two atoms, where a % has no business."""
    stray = text.find("%", start, end)
    if stray >= 0:
        raise ValueError(
            f"{text[stray : stray + 12]!r} at character {stray + 1} is no atom such as %(h)s; a plain % is written %%"
        )
    return text[start:end]


def _unless_absent(function: str, variable: str) -> str:
    """Most fields that a format asks for are absent from most requests."""
    return f"({function}({variable}) if {variable} is not None else '-')"


def _source(template: str, values: list[str], fields: dict[str, str], answers: dict[str, str]) -> str:
    body = [
        *_search("request.headers", fields, ""),
        *_search("(response_headers or ())", answers, ".lower()"),
        f"return {template!r} % ({''.join(value + ', ' for value in values)})",
    ]
    return (
        "def render(request, status, response_bytes, duration, client, response_headers, environ, stamp):\n    "
        + "\n    ".join(body)
        + "\n"
    )


def _search(headers: str, wanted: dict[str, str], lower: str) -> list[str]:
    """The lines that look for header fields, all in one pass; of several the last counts, as in gunicorn."""
    if not wanted:
        return []
    names = [field.encode("latin-1", "replace") for field in wanted]
    lines = [" = ".join([*wanted.values(), "None"]), f"for name, value in {headers}:"]
    if lower:
        lines.append(f"    name = name{lower}")
    lines.append(f"    if name in {{{', '.join(map(repr, names))}}}:")  # a constant: most names are not in it
    for position, (name, variable) in enumerate(zip(names, wanted.values(), strict=True)):
        lines.append(f"        {'elif' if position else 'if'} name == {name!r}:")
        lines.append(f"            {variable} = value")
    return lines


def _function(source: str) -> Render:
    namespace: dict[str, object] = {
        "clean": clean,
        "clean_text": clean_text,
        "clean_client": clean_client,
        "clients": _CLIENTS,
        "METHODS": _METHODS,
        "user": user,
        "from_environ": from_environ,
        "getpid": os.getpid,
    }
    exec(compile(source, "<access log format>", "exec"), namespace)
    return cast("Render", namespace["render"])  # what the source defines


# -- the functions that a compiled format calls ------------------------------------------------


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Of which no character needs to be escaped, as of most that are valid at all."""
_CLIENTS: dict[str, str] = {}
"""Clients as they are logged: who comes once comes again."""
_MOST_CLIENTS = 256
_LONGEST_CLIENT = 64


def clean(value: bytes | None) -> str:
    """A value from outside, safe inside a quoted field of a line: printable ASCII; "-" for None."""
    if value is None:
        return "-"
    text = value.decode("latin-1")
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


def clean_text(text: str) -> str:
    """The same for text."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1").translate(_ESCAPES)


def clean_client(client: str) -> str:
    """The same for a client's address, "-" where it has none; remembered."""
    cleaned = clean_text(client) if client else "-"
    if len(client) <= _LONGEST_CLIENT:
        if len(_CLIENTS) >= _MOST_CLIENTS:
            _CLIENTS.clear()
        _CLIENTS[client] = cleaned
    return cleaned


_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0x100))},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


def user(authorization: bytes | None) -> str:
    """The user name of HTTP Basic credentials, "-" if there is none."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        return "-"
    try:
        name, separator, _ = base64.b64decode(authorization[6:].strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return "-"
    return clean(name) if separator and name else "-"


def from_environ(environ: Mapping[str, object] | None, name: str) -> str:
    """A variable of the WSGI environ, in any case; "-" if it is not there."""
    if environ is None:
        return "-"
    if name in environ:
        return clean_text(str(environ[name]))
    wanted = name.lower()
    return next((clean_text(str(value)) for key, value in environ.items() if key.lower() == wanted), "-")
