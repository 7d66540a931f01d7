"""What a bind setting means. Pure: from the text to where a listener is, and how it is shown."""

from __future__ import annotations

from typing import NamedTuple

from hybrid.errors import SettingsError

_EXPECTED = "HOST:PORT, HOST, :PORT, [IPV6]:PORT, unix:PATH, unix:@NAME or fd://NUMBER"
_DEFAULT_PORT = 8000


class Inet(NamedTuple):
    """TCP. `host` may be a name; it is resolved when it is bound."""

    host: str
    port: int

    @property
    def is_v6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_v6 else f"{self.host}:{self.port}"


class Unix(NamedTuple):
    """A path; one that begins with "@" is abstract: no file, gone with its last holder (Linux)."""

    path: str

    @property
    def is_abstract(self) -> bool:
        return self.path.startswith("@")

    def __str__(self) -> str:
        return f"unix:{self.path}"


class Inherited(NamedTuple):
    """An open descriptor that somebody bound for us."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = Inet | Unix | Inherited


def parse_address(text: str) -> Address:
    """The address behind one bind value. Raises SettingsError saying which forms there are."""
    bare = text.strip()
    for prefix in ("tcp://", "http://", "https://"):
        bare = bare.removeprefix(prefix)
    if bare.startswith("fd://"):
        number = bare.removeprefix("fd://")
        if not number.isascii() or not number.isdigit():
            raise _bad(text, "fd:// wants the number of an open file descriptor")
        return Inherited(int(number))
    if bare.startswith("unix:"):
        path = bare.removeprefix("unix:").removeprefix("//")
        path = "@" + path[1:] if path.startswith("\0") else path
        if path in ("", "@"):
            raise _bad(text, "unix: wants a path")
        return Unix(path)
    return _parse_inet(bare, text)


def _parse_inet(bare: str, text: str) -> Inet:
    if bare.startswith("["):
        host, closed, rest = bare[1:].partition("]")
        if not closed or not (rest == "" or rest.startswith(":")):
            raise _bad(text, "an IPv6 address stands in brackets")
        port = rest[1:]
    elif bare.count(":") > 1:
        host, port = bare, ""
    elif bare.isdigit():
        raise _bad(text, f"did you mean :{bare}?")
    else:
        host, _, port = bare.partition(":")
        if not host and not port:
            raise _bad(text, "there is nothing in it")
    if not port:
        return Inet(host or "0.0.0.0", _DEFAULT_PORT)
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise _bad(text, f"{port!r} is not a port number, 0 to 65535")
    return Inet(host or "0.0.0.0", int(port))


def _bad(text: str, found: str) -> SettingsError:
    return SettingsError(f"bind {text!r}: {found}; expected {_EXPECTED}")
