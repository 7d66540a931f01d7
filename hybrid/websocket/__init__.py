"""WebSocket (RFC 6455) with permessage-deflate (RFC 7692): the opening handshake and frames, sans-IO."""

from hybrid.websocket.connection import Connection, State
from hybrid.websocket.deflate import Deflate
from hybrid.websocket.failure import Failure
from hybrid.websocket.handshake import Opening, acceptance, read_opening
from hybrid.websocket.keepalive import Keepalive, Verdict
from hybrid.websocket.negotiation import Compression, negotiate

__all__ = [
    "Compression",
    "Connection",
    "Deflate",
    "Failure",
    "Keepalive",
    "Opening",
    "State",
    "Verdict",
    "acceptance",
    "negotiate",
    "read_opening",
]
