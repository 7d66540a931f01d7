"""The opening handshake: from our own Request to a checked Opening, and the 101 that accepts it. RFC 6455 section 4.2.

Nothing here decides whether the application wants the connection; a request that breaks a rule never
reaches the application.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from hybrid.errors import ProtocolError
from hybrid.http.request import Request
from hybrid.http1.response import Header, Prefixes, ResponseError, header_line
from hybrid.websocket.negotiation import Compression, negotiate

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_is_token = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_OURS = frozenset({b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"keep-alive"})
"""What the handshake itself says; the same from the application is left out, as in any other response."""


class Opening(NamedTuple):
    """A valid opening handshake."""

    accept: bytes
    """The value of Sec-WebSocket-Accept."""
    subprotocols: list[str]
    """What the client offers, in its order of preference."""
    compression: Compression | None
    """What both sides can do of permessage-deflate."""


def read_opening(request: Request, *, deflate: bool) -> Opening:
    """Check an Upgrade request. `deflate` says whether compression may be agreed on.

    Raises ProtocolError: 426 for a version other than 13, 405 for a method other than GET, else 400.
    """
    if request.method != "GET":
        raise ProtocolError(405, "a WebSocket is opened with GET", "RFC 6455 section 4.1", fields=b"allow: GET\r\n")
    if request.version != 1:
        raise ProtocolError(400, "a WebSocket is opened over HTTP/1.1", "RFC 6455 section 4.1")
    if request.content_length:
        raise ProtocolError(400, "an opening handshake has no body", "RFC 6455 section 4.1")
    keys: list[bytes] = []
    versions: list[bytes] = []
    offered: list[bytes] = []
    extensions: list[bytes] = []
    for name, value in request.headers:
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            offered.append(value)
        elif name == b"sec-websocket-extensions":
            extensions.append(value)
    if versions != [b"13"]:
        raise ProtocolError(
            426,
            "Sec-WebSocket-Version must be 13",
            "RFC 6455 section 4.4",
            fields=b"sec-websocket-version: 13\r\nupgrade: websocket\r\n",
        )
    if len(keys) != 1 or not _is_key(keys[0]):
        raise ProtocolError(400, "Sec-WebSocket-Key must be 16 bytes in base64", "RFC 6455 section 4.2.1")
    return Opening(
        accept=base64.b64encode(hashlib.sha1(keys[0] + _GUID, usedforsecurity=False).digest()),
        subprotocols=_subprotocols(offered),
        compression=negotiate(extensions) if deflate else None,
    )


def _is_key(value: bytes) -> bool:
    try:
        return len(value) == 24 and len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def _subprotocols(values: list[bytes]) -> list[str]:
    """All tokens of all lines. Empty elements of a list are ignored: RFC 9110 section 5.6.1."""
    found = []
    for element in b",".join(values).split(b","):
        token = element.strip(b" \t")
        if not token:
            continue
        if not _is_token(token):
            raise ProtocolError(400, "malformed Sec-WebSocket-Protocol", "RFC 6455 section 4.1")
        found.append(token.decode("ascii"))
    return found


def acceptance(
    opening: Opening, prefixes: Prefixes, *, subprotocol: str | None = None, headers: Iterable[Header] = ()
) -> bytes:
    """The 101 response. Raises ResponseError for headers or a subprotocol that the application may not choose."""
    lines = [
        prefixes.of(101),
        b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ",
        opening.accept,
        b"\r\n",
    ]
    if subprotocol is not None:
        if subprotocol not in opening.subprotocols:
            raise ResponseError(
                f"the application accepts with subprotocol {subprotocol!r}; the client offered {opening.subprotocols!r}"
            )
        lines.append(b"sec-websocket-protocol: %b\r\n" % subprotocol.encode("ascii"))
    if opening.compression is not None:
        lines.append(b"sec-websocket-extensions: %b\r\n" % opening.compression.answer)
    for name, value in headers:
        line, meaning = header_line(name, value)
        lower = line[: line.index(b":")].lower()
        if lower in _OURS:
            continue
        if lower.startswith(b"sec-websocket-"):
            raise ResponseError(f"header {name!r} is the server's; a subprotocol is chosen with `subprotocol`")
        lines[0] = prefixes.yielding(lines[0], meaning)
        lines.append(line)
    lines.append(b"\r\n")
    return b"".join(lines)
