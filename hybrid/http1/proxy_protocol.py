"""The PROXY protocol, versions 1 and 2: who the client is, said once in front of everything else on a connection.

Sans-IO: fed what arrived until it gives an answer. Only for peers in --proxy-allow-from: a worker that gets
this from anybody else must not decode it, since the bytes are then simply no HTTP.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from hybrid.errors import ProtocolError

_SIGNATURE_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_1 = 107
_LONGEST_2 = 4096
"""Of the part behind the fixed 16 bytes: addresses take at most 216, the rest are extensions (TLVs)."""


class Proxied(NamedTuple):
    """The connection as the proxy accepted it."""

    client: tuple[str, int] | None
    """None for LOCAL and UNKNOWN, by which a proxy speaks for itself (health checks), and for unix sockets."""
    server: tuple[str, int] | None
    rest: bytes
    """What follows: the first bytes of the connection proper."""


def begins_as_proxied(data: bytes) -> bool:
    """Whether the first bytes of a connection are those of a PROXY header, whatever the settings say of it."""
    return data.startswith((b"PROXY ", _SIGNATURE_2))


class ProxyDecoder:
    """One per connection. `accepts` is --proxy-protocol: "v1", "v2" or "auto"."""

    __slots__ = ("_buffer", "_v1", "_v2")

    def __init__(self, accepts: str) -> None:
        self._v1 = accepts in ("v1", "auto")
        self._v2 = accepts in ("v2", "auto")
        self._buffer = b""

    def feed(self, data: bytes) -> Proxied | None:
        """The decoded header, or None while more bytes are needed. Raises ProtocolError(400)."""
        data = self._buffer = self._buffer + data
        if self._v2 and _begins(data, _SIGNATURE_2):
            return _decode_2(data)
        if self._v1 and _begins(data, b"PROXY "):
            return _decode_1(data)
        raise _malformed("no PROXY header in front, which --proxy-protocol requires of this peer")


def _begins(data: bytes, signature: bytes) -> bool:
    """Whether this is the signature, or may become it."""
    return data.startswith(signature) or signature.startswith(data)


def _decode_1(data: bytes) -> Proxied | None:
    end = data.find(b"\r\n", 0, _LONGEST_1)
    if end < 0:
        if len(data) >= _LONGEST_1:
            raise _malformed("version 1 header longer than 107 bytes")
        return None
    rest = data[end + 2 :]
    family, *words = data[len(b"PROXY ") : end].split(b" ")
    if family == b"UNKNOWN":
        return Proxied(None, None, rest)
    address = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(family)
    if address is None or len(words) != 4:
        raise _malformed("malformed version 1 header")
    try:
        client, server = (str(address(word.decode("ascii"))) for word in words[:2])
    except ValueError:
        raise _malformed("malformed address in version 1 header") from None
    return Proxied((client, _port(words[2])), (server, _port(words[3])), rest)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[:1] == b"0" and word != b"0") or int(word) > 65535:
        raise _malformed("malformed port in version 1 header")
    return int(word)


def _decode_2(data: bytes) -> Proxied | None:
    if len(data) < 16:
        if len(data) > 12 and data[12] not in (0x20, 0x21):
            raise _malformed("unknown version 2 command")
        return None
    command, family = data[12], data[13]
    (size,) = struct.unpack_from("!H", data, 14)
    if command not in (0x20, 0x21):
        raise _malformed("unknown version 2 command")
    if size > _LONGEST_2:
        raise _malformed(f"version 2 header longer than {_LONGEST_2} bytes")
    if len(data) < 16 + size:
        return None
    body, rest = data[16 : 16 + size], data[16 + size :]
    if command == 0x20:  # LOCAL
        return Proxied(None, None, rest)
    match family:
        case 0x11 if size >= 12:  # TCP over IPv4
            source, target, *ports = struct.unpack_from("!4s4sHH", body)
            return Proxied((str(IPv4Address(source)), ports[0]), (str(IPv4Address(target)), ports[1]), rest)
        case 0x21 if size >= 36:  # TCP over IPv6
            source, target, *ports = struct.unpack_from("!16s16sHH", body)
            return Proxied((str(IPv6Address(source)), ports[0]), (str(IPv6Address(target)), ports[1]), rest)
        case 0x11 | 0x21:
            raise _malformed("version 2 header too short for its addresses")
        case 0x00 | 0x31:  # unspecified; unix stream, in which an address says nothing useful
            return Proxied(None, None, rest)
        case _:
            raise _malformed("unknown version 2 address family")


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(400, f"PROXY protocol: {what}")
