"""The reactor's connections that come from other workers or go to them: see `hybrid_workers.junction`."""

from __future__ import annotations

import socket
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol, cast

from hybrid.contract.queue import Handed, Kind, Queue
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.refusal import refusal
from hybrid_workers.connection import Connection, Phase
from hybrid_workers.junction import Junction, Rescue, Way, adding_cookie, unavailable, unmark
from hybrid_workers.poller import EXCLUSIVE, READ, Poller
from hybrid_workers.relief import Siblings

if TYPE_CHECKING:
    from hybrid_workers.tls_transport import TlsTransport
    from hybrid_workers.wsgi_service import WsgiService

MOST_AT_ONCE: Final = 16


class Host(Protocol):
    """The reactor."""

    is_stopping: bool

    connections: dict[int, Connection]

    @property
    def is_closed(self) -> bool:
        """It accepts no more."""

    @property
    def is_full(self) -> bool:
        """It has as many connections as it may."""

    def adopt(
        self, sock: socket.socket | TlsTransport, peer: Peer, now: float, *, is_new: bool = True
    ) -> Connection: ...

    def turn_away(self, sock: socket.socket, peer: Peer, error: ProtocolError, now: float) -> None: ...

    def go_on(self, connection: Connection, data: bytes, now: float) -> None:
        """These bytes were read from an adopted connection; b"": some may have come."""

    def forget(self, connection: Connection) -> None:
        """Close our end of a connection that is another worker's now."""

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        """Answer this, for no fault of the client's."""

    def has_room(self) -> bool:
        """A further request would be served soon."""

    def has_spare_room(self) -> bool:
        """So would that of a further connection, after those whose requests are about to come."""

    def is_stuck(self, now: float) -> bool:
        """There is no room, and it is not known that there will be some soon."""


class Crossroads:
    """One per worker that may have other workers' connections, or others its."""

    def __init__(self, host: Host, service: WsgiService, poller: Poller, *, relieves: bool) -> None:
        """`relieves`: a request for which there is no room is left to a sibling that has some."""
        context = service.context
        crossing = context.crossing
        assert crossing is not None, "it was looked whether there is one"
        self.junction = Junction(context, crossing)
        self.siblings = Siblings(context, crossing)
        self.takes_requests = crossing.is_routing or relieves
        """`takes_away()` wants to see each request."""
        self.is_receiving = False
        self.fd = self.junction.queue.fileno()
        self._host = host
        self._service = service
        self._poller = poller
        self._relieves = relieves
        self._budget = MOST_AT_ONCE if context.pool_size <= 1 else 1
        self._socket_class: type[socket.socket] = socket.socket
        if context.listeners:  # where the standard library is monkey-patched, these are not
            self._socket_class = getattr(context.listeners[0].socket, "plain", socket.socket)
        self._has_left = False

    # -- going --------------------------------------------------------------------------------------

    def takes_away(self, connection: Connection, request: Request, now: float) -> bool:
        """The head of a request is read: is it another worker's from here on? Raises ProtocolError."""
        handed = connection.handed
        if handed is not None:  # it was brought here for this request
            connection.handed = None
            if handed.kind is not Kind.SHADOW:
                unmark(request)
            self._introduce(connection, handed.route, handed.set_cookie)
            return False
        if self.junction.is_routing and self._routes_away(connection, request):
            return True
        if not self._relieves or self._host.has_room():
            return False
        is_better_off = self.siblings.have_room(now) or (self._host.is_stuck(now) and self.siblings.are_alive(now))
        return is_better_off and self._relieve(connection, request)

    def _introduce(self, connection: Connection, route: str, set_cookie: bytes) -> None:
        connection.route = route
        connection.set_cookie = set_cookie
        connection.prefixes = adding_cookie(self._service.prefixes, set_cookie) if set_cookie else None

    def _routes_away(self, connection: Connection, request: Request) -> bool:
        junction = self.junction
        choice = junction.choose(request, connection.peer)
        if choice is None:
            return False
        if choice.pool != junction.pool:
            way = junction.pass_on(_plain(connection), connection.peer, request, connection.receiver, choice)
            if way is Way.LEFT:
                self._host.forget(connection)
                return True
            if way is Way.REFUSED:
                self._host.refuse(connection, unavailable(choice.pool))
                return True
        self._introduce(connection, junction.pattern_of(choice), choice.set_cookie)
        return False

    def _relieve(self, connection: Connection, request: Request) -> bool:
        """It is not routed again: so it takes along what this worker has found out."""
        receiver = connection.receiver
        handed = self.junction.handed(
            Kind.REQUEST, _plain(connection), connection.peer, request.head + receiver.buffer, receiver.ahead
        )
        handed.route = connection.route
        handed.set_cookie = connection.set_cookie
        if not self.junction.queue.send(connection.fd, handed):
            return False
        self._host.forget(connection)
        return True

    # -- coming -------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take connections, unless that must wait. One that stops takes only what nobody else will."""
        host = self._host
        if host.is_full or not host.has_spare_room() or self._has_left or self.junction.queue.is_starved:
            return
        if host.is_closed and not self.junction.is_alone():
            return
        self.is_receiving = True
        self._poller.register(self.fd, READ | EXCLUSIVE)

    def stop_listening(self) -> None:
        if self.is_receiving:
            self.is_receiving = False
            self._poller.unregister(self.fd)

    def on_event(self, now: float) -> None:
        """There is something in our queue, or a sibling was faster."""
        host = self._host
        for _ in range(self._budget):
            if host.is_full or not host.has_spare_room():
                self.stop_listening()
                return
            received = self.junction.queue.receive(self._socket_class)
            if received is None:
                if self.junction.is_starved():
                    self.stop_listening()
                return
            self._take(*received, now)

    def _take(self, sock: socket.socket, handed: Handed, now: float) -> None:
        host = self._host
        peer = self._service.admissions.meet(handed.client, handed.server)
        if now > handed.deadline:
            self.junction.note_refused(self.junction.pool, handed.route)
            host.turn_away(sock, peer, unavailable(self.junction.pool), now)
            return
        connection = host.adopt(sock, peer, now, is_new=False)
        connection.receiver.ahead = handed.ahead
        if handed.kind is not Kind.RELIEF:
            connection.handed = handed
        host.go_on(connection, handed.data, now)

    # -- relief -------------------------------------------------------------------------------------

    def give_away(self, ready: Iterable[Connection], kept: Container[Connection], now: float) -> None:
        """Leave connections that wait for us to siblings. `ready` have sent their next request already."""
        if not self.siblings.have_room(now):
            return
        for connection in [*ready, *self._readable()]:
            if connection.phase > Phase.IDLE or connection.call is not None or connection in kept:
                continue
            receiver = connection.receiver
            if not self.junction.relieve(_plain(connection), connection.peer, receiver.buffer, receiver.ahead):
                return
            self._host.forget(connection)

    def _readable(self) -> Iterator[Connection]:
        connections = self._host.connections
        for fd, _ in self._poller.poll(0, MOST_AT_ONCE):
            connection = connections.get(fd)
            if connection is not None and not connection.receiver.buffer:
                yield connection

    # -- time ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """A few times a second: see to what others have left lying."""
        host = self._host
        junction = self.junction
        junction.is_stopping = host.is_stopping
        junction.queue.is_starved = False
        if self.is_receiving and host.is_closed and not junction.is_alone():
            self.stop_listening()
        if self.is_receiving:
            self.on_event(now)  # who was told of what is in the queue may have died before it took it
        for name, queue, rescue in junction.orphans(now):
            self._clear(name, queue, rescue, now)

    def _clear(self, name: str, queue: Queue, rescue: Rescue, now: float) -> None:
        """Take what its own pool does not."""
        host = self._host
        for _ in range(MOST_AT_ONCE):
            received = None if host.is_full else queue.receive(self._socket_class)
            if received is None:
                return
            sock, handed = received
            if now > handed.deadline or rescue is Rescue.REFUSE:
                self.junction.note_refused(name, handed.route)
                peer = self._service.admissions.meet(handed.client, handed.server)
                host.turn_away(sock, peer, unavailable(name), now)
            elif rescue is Rescue.SERVE:
                self._take(sock, handed, now)
            else:
                queue.send_back(sock, handed, self.junction.timeout)
                return

    def is_done(self, *, is_late: bool) -> bool:
        """The worker has no connections left and would go: is there nobody in our queue who would be lost?"""
        junction = self.junction
        if not is_late and junction.is_alone():
            # Before it leaves: in a queue that nobody receives from, others answer 503.
            received = junction.queue.receive(self._socket_class)
            if received is not None:
                self._take(*received, received[1].deadline)
                return False
        if not self._has_left:
            self.stop_listening()
            self._has_left = True
            junction.leave()
        for queue in junction.abandoned():
            while (received := queue.receive(self._socket_class)) is not None:
                with received[0] as sock:
                    self._dismiss(sock)
        return True

    def _dismiss(self, sock: socket.socket) -> None:
        try:
            sock.send(refusal(unavailable(self.junction.pool), self._service.prefixes))
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone
            pass


def _plain(connection: Connection) -> socket.socket:
    """Where connections are passed on, there is no TLS."""
    return cast("socket.socket", connection.socket)
