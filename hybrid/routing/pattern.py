"""Which requests a route is for: host, path, methods and header fields; and which of two routes is the more specific.

Paths are compared percent-decoded, as applications see them: `/%61pi` must not slip past `/api/*`. They are not
normalised otherwise, since applications do not do that either.

    /login          this path
    /api/*          /api, and everything below it
    /users/*/posts  one segment in the place of *
    /files/**.pdf   ** also stands for several segments
    *, /*           everything, also `OPTIONS *`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hybrid.errors import SettingsError

EVERYTHING = "/*"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_WILD = re.compile(r"(\*+)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One selector. No methods: every method. `headers` are lower-case names with the value, or "" for any value.

    Equal patterns select the same requests, so that a table may have each only once.
    """

    path: str
    host: str = ""
    methods: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        methods = ",".join(sorted(self.methods))
        headers = "".join(f" [{name}: {value}]" if value else f" [{name}]" for name, value in self.headers)
        return (methods + " " if methods else "") + self.host + self.path + headers

    @property
    def is_exact(self) -> bool:
        return "*" not in self.path

    @property
    def has_conditions(self) -> bool:
        """Does it ask for more than the path?"""
        return bool(self.host or self.methods or self.headers)

    def specificity(self) -> tuple[int, ...]:
        """For sorting, the most specific last: host, path, header fields, methods."""
        host = 0 if not self.host else 1 if self.host.startswith("*.") else 2
        literal = len(self.path.replace("*", ""))
        methods = -len(self.methods) if self.methods else -1000
        return (host, len(self.host), self.is_exact, literal, -self.path.count("*"), len(self.headers), methods)

    def expression(self) -> bytes:
        """A regular expression for the whole of a decoded path."""
        if self.path == EVERYTHING:
            return b".*"
        path, below = (self.path[:-2], b"(?:/.*)?") if self.path.endswith("/*") else (self.path, b"")
        parts = []
        for part in _WILD.split(path):
            parts.append(b"[^/]*" if part == "*" else b".*" if _WILD.fullmatch(part) else re.escape(part.encode()))
        return b"".join(parts) + below

    def may_match(self, method: str, path: str) -> bool:
        """Could a request with this method and undecoded path be meant? Host and header fields are not looked at."""
        if self.methods and method not in self.methods:
            return False
        return re.fullmatch(self.expression(), unquote_to_bytes(path), re.DOTALL) is not None

    def first_segment(self) -> bytes | None:
        """The first segment of every path that matches; None if that differs."""
        segment, slash, _ = self.path[1:].partition("/")
        if "*" in segment or (not slash and "*" in self.path):
            return None
        return segment.encode()


def parse_pattern(text: str, where: str) -> Pattern:
    """From `[METHOD[,METHOD] ][HOST]PATH`. `where` begins the messages. Raises SettingsError."""
    methods, space, place = text.strip().rpartition(" ")
    host, slash, path = place.partition("/")
    if place == "*":
        host, slash, path = "", "/", "*"
    if not slash:
        raise SettingsError(
            f"{where}: pattern {text!r}: found no path, expected one that begins with /, such as /api/* or *"
        )
    return make_pattern(
        where, "/" + path, host=host, methods=[word for word in methods.split(",") if word.strip()] if space else []
    )


def make_pattern(
    where: str,
    path: str,
    *,
    host: str = "",
    methods: list[str] | tuple[str, ...] = (),
    headers: list[str] | tuple[str, ...] = (),
) -> Pattern:
    """A checked Pattern; `headers` are `Name: value`, or `Name` for any value. Raises SettingsError."""
    path = EVERYTHING if path == "*" else path
    if not path.startswith("/") or not path.isprintable() or "?" in path or "#" in path:
        raise SettingsError(
            f"{where}: path {path[:80]!r}: expected a path that begins with /, without query, such as /api/*"
        )
    host = host.strip().lower()
    if host and not _HOST.fullmatch(host):
        raise SettingsError(f"{where}: host {host[:80]!r}: expected a name such as example.com or *.example.com")
    for method in methods:
        if not _TOKEN.fullmatch(method.strip()):
            raise SettingsError(f"{where}: method {method[:80]!r}: expected a name such as GET")
    fields = []
    for field in headers:
        name, _, value = (part.strip() for part in field.partition(":"))
        if not _TOKEN.fullmatch(name):
            raise SettingsError(f"{where}: header {field[:80]!r}: expected `Name: value`, or `Name` for any value")
        fields.append((name.lower(), value))
    return Pattern(
        re.sub(r"\*{3,}", "**", path), host, frozenset(name.strip().upper() for name in methods), tuple(sorted(fields))
    )
