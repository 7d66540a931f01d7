"""The class of sockets that become transports of an event loop."""

from __future__ import annotations

import _socket
import socket


class StreamSocket(socket.socket):
    """Says what it is in plain numbers.

    The event loop asks for the family and the type of each, and `socket.socket` looks up an enum at every such
    question, which takes half a microsecond.
    """

    __slots__ = ()

    family = _socket.socket.family  # type: ignore[assignment]
    type = _socket.socket.type  # type: ignore[assignment]
