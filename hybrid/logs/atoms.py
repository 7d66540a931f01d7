"""The access log format: gunicorn's atoms, compiled into one function.

Interpreting a format per request (a dict of twenty values and one `%`) costs more than the whole
request parser. Here the format becomes one function that touches only what is used in it: one pass
over the request headers, one f-string. Literal text enters it as a constant and header names by repr()
only, so the format cannot inject code. What clients send again and again is made safe once.
"""

from __future__ import annotations

import ast
import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast


class LoggedRequest(Protocol):
    """What the access log reads of a request."""

    method: str
    target: bytes
    path: bytes
    query: bytes
    version: int
    headers: list[tuple[bytes, bytes]]


_Value = TypeVar("_Value", str, bytes)
Headers: TypeAlias = "list[tuple[bytes, bytes]]"
Render: TypeAlias = (
    "Callable[[LoggedRequest, int, int, float, str, Headers | None, Mapping[str, object] | None, str], str]"
)


class CompiledFormat(NamedTuple):
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
_METHOD = "(method if (method := request.method) in METHODS else clean_text(method))"
# Targets with a query are seldom asked for twice.
_TARGET = "(clean(request.target) if request.query else known.get(target := request.target) or keep(target))"
_VERSION = '("HTTP/1.1" if request.version else "HTTP/1.0")'
_TEXTS = {
    "h": "(clients.get(client) or clean_client(client))",
    "l": "'-'",
    "t": "stamp",
    "r": f"f'{{{_METHOD}}} {{{_TARGET}}} {{{_VERSION}}}'",
    "m": _METHOD,
    "U": "(known.get(path := request.path) or keep(path))",
    "q": "clean(request.query)",
    "H": _VERSION,
    "L": "'%.6f' % duration",
    "p": "'<%d>' % getpid()",
}
_FIELDS = {"f": "referer", "a": "user-agent"}
_KEPT = "(known.get({0}) or keep({0}))"

_NAMED = re.compile(r"\{(.+)\}([ioe])", re.DOTALL)


def compile_format(text: str) -> CompiledFormat:
    """Compile a format. Raises ValueError, saying where, for a % that begins no atom."""
    pieces: list[ast.expr] = []
    fields: dict[str, str] = {}
    answers: dict[str, str] = {}
    unknown: list[str] = []
    needs_environ = False
    at = 0
    for match in _ATOM.finditer(text):
        pieces.append(_literal(text, at, match.start()))
        at = match.end()
        name, width, conversion = match.groups()
        if name is None:
            pieces.append(ast.Constant("%"))
            continue
        named = _NAMED.fullmatch(name)
        if name in _NUMBERS:
            value = _NUMBERS[name]
        elif name == "u":
            value = _unless_absent("user({})", fields.setdefault("authorization", f"field{len(fields)}"))
        elif name in _TEXTS:
            value = _TEXTS[name]
        elif name in _FIELDS or (named and named[2] == "i"):
            field = _FIELDS.get(name) or name[1:-2].lower()
            value = _unless_absent(_KEPT, fields.setdefault(field, f"field{len(fields)}"))
        elif named and named[2] == "o":
            value = _unless_absent(_KEPT, answers.setdefault(named[1].lower(), f"answer{len(answers)}"))
        elif named:
            needs_environ = True
            value = f"from_environ(environ, {named[1]!r})"
        else:
            unknown.append(name)
            value = "'-'"
        pieces += _formatted(value, width, conversion if name in _NUMBERS else "s")
    pieces.append(_literal(text, at, len(text)))
    pieces.append(ast.Constant("\n"))
    return CompiledFormat(_function(_tree(pieces, fields, answers)), bool(answers), needs_environ, tuple(unknown))


def _literal(text: str, start: int, end: int) -> ast.Constant:
    """The text between two atoms, where a % has no business."""
    stray = text.find("%", start, end)
    if stray >= 0:
        raise ValueError(
            f"{text[stray : stray + 12]!r} at character {stray + 1} is no atom such as %(h)s; a plain % is written %%"
        )
    return ast.Constant(text[start:end])


def _unless_absent(value: str, variable: str) -> str:
    """Most fields that a format asks for are absent from most requests."""
    return f"({value.format(variable)} if {variable} is not None else '-')"


def _formatted(value: str, width: str, conversion: str) -> list[ast.expr]:
    """Pieces of an f-string. What is given no width is cheaper without `%`."""
    if width or conversion == "f":
        value = f"{'%' + width + conversion!r} % ({value})"
    parsed = ast.parse(value, mode="eval").body
    if isinstance(parsed, ast.JoinedStr):
        return parsed.values
    return [parsed if isinstance(parsed, ast.Constant) else ast.FormattedValue(parsed, -1)]


def _joined(pieces: list[ast.expr]) -> ast.JoinedStr:
    """The f-string of these pieces, with as few of them as can be."""
    fewer: list[ast.expr] = []
    for is_constant, group in groupby(pieces, lambda piece: isinstance(piece, ast.Constant)):
        if not is_constant:
            fewer += group
        elif text := "".join(str(cast("ast.Constant", piece).value) for piece in group):
            fewer.append(ast.Constant(text))
    return ast.JoinedStr(fewer)


def _tree(pieces: list[ast.expr], fields: dict[str, str], answers: dict[str, str]) -> ast.Module:
    source = "\n    ".join(
        [
            "def render(request, status, response_bytes, duration, client, response_headers, environ, stamp):",
            *_search("request.headers", fields, ""),
            *_search("(response_headers or ())", answers, ".lower()"),
            "return None",
        ]
    )
    tree = ast.parse(source)
    function = cast("ast.FunctionDef", tree.body[0])
    function.body[-1] = ast.Return(_joined(pieces))
    return ast.fix_missing_locations(tree)


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


def _function(tree: ast.Module) -> Render:
    namespace: dict[str, object] = {
        "clean": clean,
        "clean_text": clean_text,
        "clean_client": clean_client,
        "clients": _CLIENTS,
        "keep": keep,
        "known": _KNOWN,
        "METHODS": _METHODS,
        "user": user,
        "from_environ": from_environ,
        "getpid": os.getpid,
    }
    exec(compile(tree, "<access log format>", "exec"), namespace)
    return cast("Render", namespace["render"])  # what the tree defines


# -- the functions that a compiled format calls ------------------------------------------------


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
"""Of which no character needs to be escaped, as of most that are valid at all."""
_CLIENTS: dict[str, str] = {}
"""Clients as they are logged: who comes once comes again."""
_MOST_CLIENTS = 256
_LONGEST_CLIENT = 64
_KNOWN: dict[bytes, str] = {}
"""Targets and fields as they are logged: most clients are like others, and ask for what others ask for."""
_MOST_KNOWN = 512
_LONGEST_KNOWN = 256


def clean(value: bytes | None) -> str:
    """A value from outside, safe inside a quoted field of a line: printable ASCII; "-" for None."""
    if value is None:
        return "-"
    text = value.decode("latin-1")
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


def keep(value: bytes) -> str:
    """The same, remembered."""
    return _remembered(_KNOWN, value, clean(value), longest=_LONGEST_KNOWN, most=_MOST_KNOWN)


def _remembered(known: dict[_Value, str], value: _Value, cleaned: str, *, longest: int, most: int) -> str:
    """What was made of it, noted if it is short: it comes from the network, so neither may be without bound."""
    if len(value) <= longest:
        if len(known) >= most:
            known.clear()
        known[value] = cleaned
    return cleaned


def clean_text(text: str) -> str:
    """The same for text."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1").translate(_ESCAPES)


def clean_client(client: str) -> str:
    """The same for a client's address, "-" where it has none; remembered."""
    cleaned = clean_text(client) if client else "-"
    return _remembered(_CLIENTS, client, cleaned, longest=_LONGEST_CLIENT, most=_MOST_CLIENTS)


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
