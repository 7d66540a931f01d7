"""What two ends agree on about compression: permessage-deflate, RFC 7692 section 7.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

WINDOW_BITS: Final = 12
"""4 KiB windows instead of 32: a compressing connection then holds some 50 KiB instead of 300, for little loss."""
_NAME: Final = "permessage-deflate"


@dataclass(frozen=True, slots=True)
class Compression:
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
    if not offers:
        return None
    try:
        extensions = parse_extension(b", ".join(offers).decode("latin-1"))
    except InvalidHeaderFormat:
        return None
    factory = ServerPerMessageDeflateFactory(server_max_window_bits=WINDOW_BITS, client_max_window_bits=WINDOW_BITS)
    for name, parameters in extensions:
        if name != _NAME:
            continue
        try:
            answer, agreed = factory.process_request_params(parameters, [])
        except NegotiationError:
            continue
        return Compression(
            answer=build_extension([(factory.name, answer)]).encode("ascii"),
            client_window=agreed.remote_max_window_bits,
            server_window=agreed.local_max_window_bits,
            client_forgets=agreed.remote_no_context_takeover,
            server_forgets=agreed.local_no_context_takeover,
        )
    return None
