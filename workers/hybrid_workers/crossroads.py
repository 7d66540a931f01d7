"""The reactor's connections that come from other workers or go to them: see `hybrid_workers.junction`."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, cast

from hybrid.contract.queue import Handed, Kind
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid_workers.arrivals import MOST_AT_ONCE, Arrivals
from hybrid_workers.connection import Connection, Phase
from hybrid_workers.junction import Way, unavailable
from hybrid_workers.poller import EXCLUSIVE, READ, Poller
from hybrid_workers.relief import Siblings

if TYPE_CHECKING:
    from hybrid.routing import Choice
    from hybrid_workers.tls_transport import TlsTransport
    from hybrid_workers.wsgi_service import WsgiService


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


class Crossroads(Arrivals):
    """One per worker that may have other workers' connections, or others its."""

    def __init__(self, host: Host, service: WsgiService, poller: Poller, *, relieves: bool) -> None:
        """`relieves`: a request for which there is no room is left to a sibling that has some."""
        context = service.context
        crossing = context.crossing
        assert crossing is not None, "it was looked whether there is one"
        super().__init__(service, context, crossing, budget=MOST_AT_ONCE if context.pool_size <= 1 else 1)
        self.siblings = Siblings(context, crossing)
        self.takes_requests = crossing.is_routing or relieves
        """`takes_away()` wants to see each request."""
        self.fd = self.junction.queue.fileno()
        self._host = host
        self._poller = poller
        self._relieves = relieves
        self._socket_class = cast("type[socket.socket]", _socket.socket)  # as a Door has them, and for the same reason

    @property
    def is_full(self) -> bool:
        return self._host.is_full

    @property
    def has_place(self) -> bool:
        return not self._host.is_full and self._host.has_spare_room()

    @property
    def is_closed(self) -> bool:
        return self._host.is_closed

    # -- going --------------------------------------------------------------------------------------

    def takes_away(self, connection: Connection, request: Request, now: float) -> bool:
        """The head of a request is read: is it another worker's from here on? Raises ProtocolError."""
        handed = connection.handed
        if handed is not None:  # it was brought here for this request
            self.welcome(connection, handed, request)
            return False
        junction = self.junction
        choice = junction.choose(request, connection.peer) if junction.is_routing else None
        if choice is not None:
            if choice.pool != junction.pool and self._is_away(connection, request, choice):
                return True
            self.introduce(connection, junction.pattern_of(choice), choice.set_cookie)
        if not self._relieves or self._host.has_room():
            return False
        is_better_off = self.siblings.have_room(now) or (self._host.is_stuck(now) and self.siblings.are_alive(now))
        return is_better_off and self._relieve(connection, request, choice)

    def _is_away(self, connection: Connection, request: Request, choice: Choice) -> bool:
        """False: this worker stands in for that pool."""
        way = self.junction.pass_on(connection.fd, connection.peer, request, connection.receiver, choice)
        if way is Way.LEFT:
            self._host.forget(connection)
        elif way is Way.REFUSED:
            self._host.refuse(connection, unavailable(choice.pool))
        return way is not Way.HERE

    def _relieve(self, connection: Connection, request: Request, choice: Choice | None) -> bool:
        """It is not routed again: so it takes along what this worker has found out."""
        receiver = connection.receiver
        handed = self.junction.handed(Kind.REQUEST, connection.peer, request.head + receiver.buffer, receiver.ahead)
        if choice is not None:
            handed.route = self.junction.pattern_of(choice)
            handed.set_cookie = choice.set_cookie
        if not self.junction.queue.send(connection.fd, handed):
            return False
        self._host.forget(connection)
        return True

    # -- coming -------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take connections, unless that must wait."""
        if self.may_receive():
            self.is_receiving = True
            self._poller.register(self.fd, READ | EXCLUSIVE)

    def stop_listening(self) -> None:
        if self.is_receiving:
            self.is_receiving = False
            self._poller.unregister(self.fd)

    def serve(self, sock: socket.socket, peer: Peer, handed: Handed, now: float) -> None:
        connection = self._host.adopt(sock, peer, now, is_new=False)
        if handed.ahead:
            connection.receiver.ahead = handed.ahead
        if handed.kind is not Kind.RELIEF:
            connection.handed = handed
        self._host.go_on(connection, handed.data, now)

    def turn_away(self, sock: socket.socket, peer: Peer, handed: Handed, error: ProtocolError, now: float) -> None:
        self._host.turn_away(sock, peer, error, now)

    # -- relief -------------------------------------------------------------------------------------

    def give_away(self, ready: Iterable[Connection], kept: Container[Connection], now: float) -> None:
        """Leave connections that wait for us to siblings. `ready` have sent their next request already."""
        if not self.siblings.have_room(now):
            return
        for connection in [*ready, *self._readable()]:
            if connection.phase > Phase.IDLE or connection.call is not None or connection in kept:
                continue
            receiver = connection.receiver
            if not self.junction.relieve(connection.fd, connection.peer, receiver.buffer, receiver.ahead):
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
        self.clear_orphans(now)

    def is_done(self, *, is_late: bool) -> bool:
        """The worker has no connections left and would go: is there nobody in our queue who would be lost?"""
        if not is_late and self.takes_last():
            return False
        self.leave()
        self.dismiss_abandoned()
        return True
