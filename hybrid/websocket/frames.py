"""Frames for the wire, and the content of Close frames. RFC 6455 sections 5 and 7.4. A server masks nothing."""

from __future__ import annotations

from typing import Final

from hybrid.websocket.failure import Failure

FIN: Final = 0x80
RSV: Final = 0x70
DEFLATED: Final = 0x40
"""RSV1: the message is compressed. RFC 7692 section 6."""
CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

NO_STATUS: Final = 1005
"""Never on the wire: the Close frame had no code."""
LOST: Final = 1006
"""Never on the wire: the connection broke without a Close frame."""

_REASON_BYTES: Final = 123

TEXT_HEADERS: Final = tuple(bytes((FIN | TEXT, size)) for size in range(126))
"""The header of a whole short text message, by its length: most messages there are."""
BINARY_HEADERS: Final = tuple(bytes((FIN | BINARY, size)) for size in range(126))


def header(first: int, size: int) -> bytes:
    """The header of a frame. `first` is the first byte: FIN, RSV bits and opcode."""
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2)
    return bytes((first, 127)) + size.to_bytes(8)


def ping(payload: bytes) -> bytes:
    return bytes((FIN | PING, len(payload))) + payload


def pong(payload: bytes) -> bytes:
    return bytes((FIN | PONG, len(payload))) + payload


def close(code: int, reason: str = "") -> bytes:
    """A Close frame; NO_STATUS gives one without content. A reason that is too long is cut between characters.

    Raises ValueError for a code that may not be sent.
    """
    if code == NO_STATUS:
        return bytes((FIN | CLOSE, 0))
    if not may_be_sent(code):
        raise ValueError(f"close code {code!r} may not be sent; 1000 to 1003, 1007 to 1014 and 3000 to 4999 may")
    text = reason.encode("utf-8", "replace")
    if len(text) > _REASON_BYTES:
        text = text[:_REASON_BYTES].decode("utf-8", "ignore").encode()
    return bytes((FIN | CLOSE, 2 + len(text))) + code.to_bytes(2) + text


def may_be_sent(code: int) -> bool:
    """Is this a code for a Close frame: registered, or from a range for applications. RFC 6455 section 7.4."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a Close frame; (NO_STATUS, "") of an empty one. Raises Failure 1002 or 1007."""
    if not payload:
        return NO_STATUS, ""
    if len(payload) == 1:
        raise Failure(1002, "close frame with half a code")
    code = int.from_bytes(payload[:2])
    if not may_be_sent(code):
        raise Failure(1002, "invalid close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise Failure(1007, "close reason is not UTF-8") from None
