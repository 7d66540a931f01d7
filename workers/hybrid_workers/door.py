"""One listener of a worker, and accept() for little more than the kernel's part of it.

`socket.accept()` makes enums of the listener's family and type for each connection, asks for time-outs and puts the
descriptor into a Python class: 2 us, as much as the system call itself. What a listener says of all its connections is
asked once here, and the caller says what class its connections shall be: `_socket.socket` has all that most need.
"""

from __future__ import annotations

import _socket
from typing import Generic, TypeAlias, TypeVar

from hybrid.contract import Listener
from hybrid_workers.inherited import prepare

Client: TypeAlias = "tuple[str, int] | None"
Server: TypeAlias = "tuple[str, int | None]"
Socket_co = TypeVar("Socket_co", bound=_socket.socket, covariant=True)


class Door(Generic[Socket_co]):
    """Owns nothing: the listener is the arbiter's, a connection its receiver's."""

    __slots__ = ("_accept", "_class", "_family", "_is_unix", "_proto", "_server", "_type", "fd", "listener")

    def __init__(self, listener: Listener, connection_class: type[Socket_co]) -> None:
        sock = listener.socket
        self.listener = listener
        self.fd = sock.fileno()
        self._accept = sock._accept  # type: ignore[attr-defined]  # accept() without what is said above
        self._class = connection_class
        self._family, self._type, self._proto = int(sock.family), int(sock.type), sock.proto
        self._is_unix = listener.is_unix
        self._server = _own_address(listener)
        prepare(listener)

    def accept(self) -> tuple[Socket_co, Client, Server]:
        """A connection, non-blocking, its client and our end of it. Raises OSError, BlockingIOError among them."""
        fd, address = self._accept()
        sock = self._class(self._family, self._type, self._proto, fd)
        sock.setblocking(False)
        return sock, None if self._is_unix else address[:2], self._server or sock.getsockname()[:2]

    def close(self) -> None:
        """Close the listener, for this process."""
        self.listener.socket.close()


def _own_address(listener: Listener) -> Server | None:
    """What a listener's connections arrive at; None when each must be asked, because it listens everywhere."""
    name = listener.socket.getsockname()
    if listener.is_unix:
        return (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name), None)
    host, port = name[:2]
    return None if host in ("0.0.0.0", "::") else (host, port)
