"""What two ends agree on about compression: permessage-deflate, RFC 7692 section 7.1.

`websockets` can do it too, but only with its package, which costs a worker's boot as much as all that we have of
WebSocket: see `masking`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

WINDOW_BITS: Final = 12
"""4 KiB windows instead of 32: a compressing connection then holds some 50 KiB instead of 300, for little loss."""
_UNASKED: Final = 15
"""The window of a client that cannot be told which to use."""
_TOO_SMALL: Final = 8
"""zlib deflates with no such window, and uses 9 without saying so."""
_NAME: Final = b"permessage-deflate"

_CHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VALUE: Final = rb'(?:%b+|"(?:\\?%b)+")' % (_CHAR, _CHAR)  # what is quoted must be a token: RFC 6455 section 9.1
_PARAMETER: Final = rb"[ \t]*;[ \t]*(%b+)(?:[ \t]*=[ \t]*(%b))?" % (_CHAR, _VALUE)
_read_extension = re.compile(rb"(%b+)((?:%b)*)" % (_CHAR, _PARAMETER)).fullmatch
_read_parameters = re.compile(_PARAMETER).findall

_BITS: Final = {b"%d" % bits: min(bits, WINDOW_BITS) for bits in range(8, 16)}
_NO_VALUE: Final = {b"": 0}
_ALLOWED: Final = {
    b"server_no_context_takeover": _NO_VALUE,
    b"client_no_context_takeover": _NO_VALUE,
    b"server_max_window_bits": _BITS,
    b"client_max_window_bits": {b"": WINDOW_BITS, **_BITS},
}
"""Parameters of an offer, in the order of our answer: their values, and what we make of them."""


class Compression(NamedTuple):
    """The parameters of one connection. Windows are in bits, as zlib counts them."""

    answer: bytes
    """The value of Sec-WebSocket-Extensions in the 101."""
    client_window: int
    server_window: int
    client_forgets: bool
    """The client starts each message with an empty window (client_no_context_takeover)."""
    server_forgets: bool


def negotiate(offers: list[bytes]) -> Compression | None:
    """The first offer that can be accepted, from the lines of Sec-WebSocket-Extensions; None if there is none.

    An offer with unknown or malformed parameters is declined by not answering it: RFC 7692 section 5.1.
    """
    for name, parameters in _extensions(b",".join(offers)):
        agreed = _agree(parameters) if name == _NAME else None
        if agreed is not None:
            return agreed
    return None


def _extensions(line: bytes) -> list[tuple[bytes, list[tuple[bytes, bytes]]]]:
    """Names with their parameters; a parameter without a value has b"". Nothing when the line is malformed."""
    found = []
    for element in line.split(b","):  # no value contains one
        element = element.strip(b" \t")
        if not element:  # RFC 9110 section 5.6.1
            continue
        extension = _read_extension(element)
        if extension is None:
            return []
        parameters = [(name, value.strip(b'"').replace(b"\\", b"")) for name, value in _read_parameters(extension[2])]
        found.append((extension[1], parameters))
    return found


def _agree(parameters: list[tuple[bytes, bytes]]) -> Compression | None:
    asked: dict[bytes, int] = {}
    for name, value in parameters:
        allowed = _ALLOWED.get(name, {})
        if value not in allowed or name in asked:
            return None
        asked[name] = allowed[value]
    server_window = asked.setdefault(b"server_max_window_bits", WINDOW_BITS)
    if server_window == _TOO_SMALL:
        return None
    answer = [name + (b"=%d" % asked[name] if asked[name] else b"") for name in _ALLOWED if name in asked]
    return Compression(
        answer=b"; ".join([_NAME, *answer]),
        client_window=asked.get(b"client_max_window_bits", _UNASKED),
        server_window=server_window,
        client_forgets=b"client_no_context_takeover" in asked,
        server_forgets=b"server_no_context_takeover" in asked,
    )
