"""Options that connections inherit from the listener which accepted them: one call here saves one for each of them."""

from __future__ import annotations

import socket
from typing import Final

from hybrid.contract import Listener

UNSENT: Final = 256 * 1024
"""How much the kernel keeps for a client beyond what is on its way to it.

Without a bound it is some megabytes, with which a slow client buys nothing. Two hundred that read nothing had half a
gigabyte copied into the kernel, and nobody was answered in that second. What is on its way, to clients that are far
away and quick, does not count. A gigabyte for one that reads costs less CPU than before, too: what is still in the
processor's caches is sent on (0.155 s instead of 0.23 on sync, 0.15 to 0.2 instead of 0.24 on asgi; half of it and
twice as much are no better).
"""


def prepare(listener: Listener) -> None:
    """Before anything is accepted."""
    if listener.is_unix:
        return
    listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
