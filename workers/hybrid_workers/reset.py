"""How a connection ends so that what was sent cannot pass for the whole answer."""

from __future__ import annotations

import socket
import struct
from typing import Final, Protocol

_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Resettable(Protocol):
    """A socket, or what stands for one."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...


def reset_at_close(sock: Resettable) -> None:
    """Make the close that follows visible to the client as a failure."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    except OSError:  # it has gone already
        pass
