"""Connections of the asgi worker that come from other workers or go to them: see `hybrid_workers.junction`.

A connection can leave only when everything written to it is with the kernel. Where that has to be waited for, nothing
is read meanwhile, and the connection goes as soon as the transport says so.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

from hybrid.contract import WorkerContext
from hybrid.contract.queue import Handed
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid_workers.arrivals import Arrivals
from hybrid_workers.junction import Way, unavailable
from hybrid_workers.stream_socket import StreamSocket

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing
    from hybrid.routing import Choice
    from hybrid_workers.asgi_accept import Acceptor
    from hybrid_workers.asgi_connection import HttpConnection
    from hybrid_workers.asgi_service import Service

BUDGET: Final = 8
"""Connections received in one turn of the loop: between two a sibling gets its chance."""


class AsgiCrossroads(Arrivals):
    """One per worker with a crossing. `takes_away` is for connections, with each request; the rest for the worker."""

    is_closed = False

    def __init__(self, service: Service, crossing: Crossing, context: WorkerContext) -> None:
        super().__init__(service, context, crossing, budget=BUDGET)
        self._socket_class = StreamSocket
        self._service = service
        self._acceptor: Acceptor | None = None

    @property
    def is_full(self) -> bool:
        return self._acceptor is None or self._acceptor.is_full

    # -- going --------------------------------------------------------------------------------------

    def takes_away(self, connection: HttpConnection, request: Request) -> bool:
        """The head of a request is read: is it another worker's from here on? Raises ProtocolError."""
        handed = connection.handed
        if handed is not None:  # it was brought here for this request
            self.welcome(connection, handed, request)
            return False
        junction = self.junction
        choice = junction.choose(request, connection.peer) if junction.is_routing else None
        if choice is None:
            return False
        if choice.pool == junction.pool:
            self.introduce(connection, junction.pattern_of(choice), choice.set_cookie)
            return False
        connection.flush()
        if connection.transport.get_write_buffer_size():
            connection.leave_when_written(request, choice)
            return True
        return self.sends(connection, request, choice)

    def sends(self, connection: HttpConnection, request: Request, choice: Choice) -> bool:
        """Give it away, or answer that nobody can take it. False: this worker serves it."""
        junction = self.junction
        fd: int = connection.transport.get_extra_info("socket").fileno()
        way = junction.pass_on(fd, connection.peer, request, connection.receiver, choice)
        if way is Way.LEFT:
            connection.forget()
        elif way is Way.REFUSED:
            connection.turn_away(unavailable(choice.pool))
        else:
            self.introduce(connection, junction.pattern_of(choice), choice.set_cookie)
        return way is not Way.HERE

    # -- coming -------------------------------------------------------------------------------------

    def start(self, acceptor: Acceptor) -> None:
        """Receive from now on."""
        self._acceptor = acceptor
        accept_again = self._service.on_connection_closed

        def on_closed() -> None:
            accept_again()
            if not self.is_receiving:
                self.resume()

        self._service.on_connection_closed = on_closed
        self.resume()

    def resume(self) -> None:
        """Receive, unless that must wait."""
        if not self.is_receiving and self.may_receive():
            self.is_receiving = True
            self._service.loop.add_reader(self.junction.queue.fileno(), self._receive)

    def stop_listening(self) -> None:
        if self.is_receiving:
            self.is_receiving = False
            self._service.loop.remove_reader(self.junction.queue.fileno())

    def _receive(self) -> None:
        self.on_event(monotonic())

    def serve(self, sock: socket.socket, peer: Peer, handed: Handed, now: float) -> None:
        assert self._acceptor is not None, "start() has had this method called"
        self._acceptor.adopt(sock, peer, handed=handed)

    def turn_away(self, sock: socket.socket, peer: Peer, handed: Handed, error: ProtocolError, now: float) -> None:
        assert self._acceptor is not None, "start() has had this method called"
        self._acceptor.adopt(sock, peer, handed=handed, refused=error)

    # -- time ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """A few times a second: see to what others have left lying."""
        if self.junction.queue.is_starved:
            self.junction.queue.is_starved = False
            self.resume()
        if self.is_closed:
            if not self.junction.is_alone():
                self.stop_listening()
            else:
                self.resume()
        self.clear_orphans(now)

    def wind_up(self) -> None:
        """The worker stops, and other pools may too."""
        self.junction.is_stopping = True

    def close(self) -> None:
        """The worker accepts no more."""
        self.is_closed = True
        self.sweep(monotonic())

    def is_done(self) -> bool:
        """The worker has nothing to do and would go: is there nobody in our queue who would be lost?"""
        if self.takes_last():
            return False
        self.leave()
        return True

    def end(self) -> None:
        """The worker goes: tell those whom nobody will serve."""
        self.is_done()
        self.stop_listening()
        self.dismiss_abandoned()
