"""Connections of the asgi worker that come from other workers or go to them: see `hybrid_workers.junction`.

A connection can leave only when everything written to it is with the kernel. Where that has to be waited for, nothing
is read meanwhile, and the connection goes as soon as the transport says so.
"""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from hybrid.contract.crossing import Crossing
from hybrid.contract.queue import Handed, Kind, Queue
from hybrid.http.request import Request
from hybrid.http1.refusal import refusal
from hybrid.routing import Choice
from hybrid_workers.junction import Junction, Rescue, Way, adding_cookie, unavailable, unmark

if TYPE_CHECKING:
    from hybrid_workers.asgi_accept import Acceptor
    from hybrid_workers.asgi_connection import HttpConnection
    from hybrid_workers.asgi_service import Service

BUDGET: Final = 8
"""Connections received in one turn of the loop: between two a sibling gets its chance."""


class AsgiCrossroads:
    """One per worker with a crossing. `takes_away` is for connections, with each request; the rest for the worker."""

    def __init__(self, service: Service, crossing: Crossing, context: Any) -> None:
        self.junction = Junction(context, crossing)
        self._service = service
        self._acceptor: Acceptor | None = None
        self._is_receiving = False
        self._is_closing = False
        self._has_left = False

    # -- going --------------------------------------------------------------------------------------

    def takes_away(self, connection: HttpConnection, request: Request) -> bool:
        """The head of a request is read: is it another worker's from here on? Raises ProtocolError."""
        handed = connection.handed
        if handed is not None:  # it was brought here for this request
            connection.handed = None
            if handed.kind is not Kind.SHADOW:
                unmark(request)
            self._introduce(connection, handed.route, handed.set_cookie)
            return False
        junction = self.junction
        choice = junction.choose(request, connection.peer) if junction.is_routing else None
        if choice is None:
            return False
        if choice.pool == junction.pool:
            self._introduce(connection, junction.pattern_of(choice), choice.set_cookie)
            return False
        connection.flush()
        if connection.transport.get_write_buffer_size():
            connection.leave_when_written(request, choice)
            return True
        return self.sends(connection, request, choice)

    def sends(self, connection: HttpConnection, request: Request, choice: Choice) -> bool:
        """Give it away, or answer that nobody can take it. False: this worker serves it."""
        junction = self.junction
        sock = cast("socket.socket", connection.transport.get_extra_info("socket"))
        way = junction.pass_on(sock, connection.peer, request, connection.receiver, choice)
        if way is Way.LEFT:
            connection.forget()
        elif way is Way.REFUSED:
            connection.turn_away(unavailable(choice.pool))
        else:
            self._introduce(connection, junction.pattern_of(choice), choice.set_cookie)
        return way is not Way.HERE

    def _introduce(self, connection: HttpConnection, route: str, set_cookie: bytes) -> None:
        connection.route = route
        connection.prefixes = adding_cookie(self._service.prefixes, set_cookie) if set_cookie else None

    # -- coming -------------------------------------------------------------------------------------

    def start(self, acceptor: Acceptor) -> None:
        """Receive from now on."""
        self._acceptor = acceptor
        accept_again = self._service.on_connection_closed

        def on_closed() -> None:
            accept_again()
            if not self._is_receiving:
                self.resume()

        self._service.on_connection_closed = on_closed
        self.resume()

    def resume(self) -> None:
        """Receive, if there is room. A worker that stops takes only what nobody else will."""
        acceptor = self._acceptor
        if self._is_receiving or self._has_left or acceptor is None or acceptor.is_full:
            return
        if self.junction.queue.is_starved:
            return
        if self._is_closing and not self.junction.is_alone():
            return
        self._is_receiving = True
        self._service.loop.add_reader(self.junction.queue.fileno(), self._receive)

    def _pause(self) -> None:
        if self._is_receiving:
            self._is_receiving = False
            self._service.loop.remove_reader(self.junction.queue.fileno())

    def _receive(self) -> None:
        acceptor = self._acceptor
        assert acceptor is not None, "start() has had this method called"
        for _ in range(BUDGET):
            if acceptor.is_full:
                self._pause()
                return
            received = self.junction.queue.receive()
            if received is None:
                if self.junction.is_starved():
                    self._pause()
                return
            self._take(*received, monotonic())

    def _take(self, sock: socket.socket, handed: Handed, now: float) -> None:
        acceptor = self._acceptor
        assert acceptor is not None, "start() comes first"
        peer = self._service.admissions.meet(handed.client, handed.server)
        refused = unavailable(self.junction.pool) if now > handed.deadline else None
        if refused is not None:
            self.junction.note_refused(self.junction.pool, handed.route)
        acceptor.adopt(sock, peer, handed=handed, refused=refused)

    # -- time ---------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """A few times a second: see to what others have left lying."""
        if self.junction.queue.is_starved:
            self.junction.queue.is_starved = False
            self.resume()
        if self._is_closing:
            if not self.junction.is_alone():
                self._pause()
            else:
                self.resume()
        for name, queue, rescue in self.junction.orphans(now):
            self._clear(name, queue, rescue, now)

    def _clear(self, name: str, queue: Queue, rescue: Rescue, now: float) -> None:
        """Take what its own pool does not."""
        acceptor = self._acceptor
        for _ in range(BUDGET):
            received = None if acceptor is None or acceptor.is_full else queue.receive()
            if received is None or acceptor is None:
                return
            sock, handed = received
            if now > handed.deadline or rescue is Rescue.REFUSE:
                self.junction.note_refused(name, handed.route)
                peer = self._service.admissions.meet(handed.client, handed.server)
                acceptor.adopt(sock, peer, handed=handed, refused=unavailable(name))
            elif rescue is Rescue.SERVE:
                self._take(sock, handed, now)
            else:
                queue.send_back(sock, handed, self.junction.timeout)
                return

    def wind_up(self) -> None:
        """The worker stops, and other pools may too."""
        self.junction.is_stopping = True

    def close(self) -> None:
        """The worker accepts no more."""
        self._is_closing = True
        self.sweep(monotonic())

    def is_done(self) -> bool:
        """The worker has nothing to do and would go: is there nobody in our queue who would be lost?"""
        junction = self.junction
        if junction.is_alone():
            # Before it leaves: in a queue that nobody receives from, others answer 503.
            received = junction.queue.receive()
            if received is not None:
                self._take(*received, received[1].deadline)
                return False
        if not self._has_left:
            self._pause()
            self._has_left = True
            junction.leave()
        return True

    def end(self) -> None:
        """The worker goes: tell those whom nobody will serve."""
        self.is_done()
        self._pause()
        for queue in self.junction.abandoned():
            while (received := queue.receive()) is not None:
                with received[0] as sock:
                    try:
                        sock.send(refusal(unavailable(self.junction.pool), self._service.prefixes))
                        sock.shutdown(socket.SHUT_WR)
                    except OSError:  # the client has gone
                        pass
