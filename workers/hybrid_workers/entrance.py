"""The reactor's connections that are on their way in: see `hybrid_workers.admission`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Protocol

from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid_workers.admission import Admission, Admissions
from hybrid_workers.poller import Poller

if TYPE_CHECKING:
    from hybrid_workers.tls_transport import TlsTransport


class Inside(Protocol):
    """What becomes of a connection: the reactor. The poller has forgotten the descriptor by then."""

    def adopt(self, sock: socket.socket | TlsTransport, peer: Peer, now: float) -> object:
        """Serve it."""

    def turn_away(self, sock: socket.socket, peer: Peer, error: ProtocolError, now: float) -> None:
        """Answer it in plain HTTP, and close."""


class Entrance:
    """Waits for their sockets and their deadlines."""

    def __init__(self, admissions: Admissions, poller: Poller, inside: Inside) -> None:
        self._admissions = admissions
        self._poller = poller
        self._inside = inside
        self._waiting: dict[int, Admission] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, fd: int) -> bool:
        return fd in self._waiting

    def add(
        self, sock: socket.socket, client: tuple[str, int] | None, server: tuple[str, int | None], now: float
    ) -> None:
        """A connection just accepted, non-blocking."""
        admission = Admission(self._admissions, sock, client, server, now)
        self._waiting[sock.fileno()] = admission
        self.on_event(sock.fileno(), now)

    def on_event(self, fd: int, now: float) -> None:
        """Its socket is ready, or may be."""
        admission = self._waiting[fd]
        try:
            events = admission.advance()
        except ProtocolError as error:
            self._forget(fd)
            self._admissions.tell_failed(admission, error)
            self._inside.turn_away(admission.sock, admission.peer, error, now)
        except OSError as error:
            self._give_up(fd, error)
        else:
            if events:
                self._watch(fd, admission, events)
            else:
                self._forget(fd)
                self._inside.adopt(admission.transport or admission.sock, admission.peer, now)

    def sweep(self, now: float) -> None:
        """Close those that took too long."""
        for fd in [fd for fd, admission in self._waiting.items() if admission.deadline <= now]:
            self._give_up(fd, TimeoutError())

    def hurry(self, deadline: float) -> None:
        """The worker stops: none gets more time than this."""
        for admission in self._waiting.values():
            admission.deadline = min(admission.deadline, deadline)

    def _give_up(self, fd: int, error: Exception) -> None:
        admission = self._waiting[fd]
        self._forget(fd)
        self._admissions.tell_failed(admission, error)
        admission.close()

    def _forget(self, fd: int) -> None:
        self._watch(fd, self._waiting.pop(fd), 0)

    def _watch(self, fd: int, admission: Admission, events: int) -> None:
        before, admission.watched = admission.watched, events
        if before == events:
            return
        if not before:
            self._poller.register(fd, events)
        elif events:
            self._poller.modify(fd, events)
        else:
            self._poller.unregister(fd)
