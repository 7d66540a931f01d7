"""Connections that come from other workers: what all worker classes do about the queues in which they wait.

What is in the queue of the worker's own pool is taken while there is room for it, what others have left lying a few
times a second, and before the worker goes it makes sure that it was not the last who would have looked.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Protocol

from hybrid.contract import WorkerContext
from hybrid.contract.queue import Handed, Kind, Queue
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.refusal import refusal
from hybrid.http1.response import Prefixes
from hybrid_workers.junction import Junction, Rescue, adding_cookie, unavailable, unmark

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing
    from hybrid_workers.admission import Admissions

MOST_AT_ONCE: Final = 16


class Shared(Protocol):
    """What the connections of one worker share, be it WSGI or ASGI."""

    admissions: Admissions
    prefixes: Prefixes


class Guest(Protocol):
    """A connection, with what a route or another worker has said of the request under way."""

    handed: Handed | None
    route: str
    prefixes: Prefixes | None


class Arrivals:
    """The receiving half of a worker's crossroads. What becomes of a connection is for the worker class to say."""

    def __init__(self, service: Shared, context: WorkerContext, crossing: Crossing, *, budget: int) -> None:
        """`budget`: connections received before something else gets its turn."""
        self.junction = Junction(context, crossing)
        self.is_receiving = False
        self._shared = service
        self._budget = budget
        self._socket_class: type[socket.socket] = socket.socket
        self._has_left = False

    # -- what the worker class says -------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """The worker has as many connections as it may."""
        raise NotImplementedError

    @property
    def has_place(self) -> bool:
        """Another connection may be taken out of the queue of the worker's own pool."""
        return not self.is_full

    @property
    def is_closed(self) -> bool:
        """The worker accepts no more."""
        raise NotImplementedError

    def stop_listening(self) -> None:
        """Leave what comes to siblings."""
        raise NotImplementedError

    def serve(self, sock: socket.socket, peer: Peer, handed: Handed, now: float) -> None:
        """The connection is ours from now on."""
        raise NotImplementedError

    def turn_away(self, sock: socket.socket, peer: Peer, handed: Handed, error: ProtocolError, now: float) -> None:
        """Answer this, and close it."""
        raise NotImplementedError

    # -- the first request ----------------------------------------------------------------------------

    def welcome(self, connection: Guest, handed: Handed, request: Request) -> None:
        """The head is read of the request for which a connection was brought here."""
        connection.handed = None
        if handed.kind is not Kind.SHADOW:
            unmark(request)
        self.introduce(connection, handed.route, handed.set_cookie)

    def introduce(self, connection: Guest, route: str, set_cookie: bytes) -> None:
        """Note how a request came to be served here."""
        connection.route = route
        connection.prefixes = adding_cookie(self._shared.prefixes, set_cookie) if set_cookie else None

    # -- our own queue --------------------------------------------------------------------------------

    def may_receive(self) -> bool:
        """There is room. A worker that stops takes only what nobody else will."""
        if self._has_left or self.junction.queue.is_starved or not self.has_place:
            return False
        return not self.is_closed or self.junction.is_alone()

    def on_event(self, now: float) -> None:
        """There is something in our queue, or a sibling was faster."""
        queue = self.junction.queue
        for _ in range(self._budget):
            if not self.has_place:
                self.stop_listening()
                return
            received = queue.receive(self._socket_class)
            if received is None:
                if self.junction.is_starved():
                    self.stop_listening()
                return
            self._take(*received, now)
            if not queue.waiting:  # if that is wrong, we are told again
                return

    def _take(self, sock: socket.socket, handed: Handed, now: float) -> None:
        if now > handed.deadline:
            self._refuse(self.junction.pool, sock, handed, now)
            return
        self.serve(sock, self._shared.admissions.meet(handed.client, handed.server), handed, now)

    def _refuse(self, pool: str, sock: socket.socket, handed: Handed, now: float) -> None:
        self.junction.note_refused(pool, handed.route)
        peer = self._shared.admissions.meet(handed.client, handed.server)
        self.turn_away(sock, peer, handed, unavailable(pool), now)

    # -- the others' ----------------------------------------------------------------------------------

    def clear_orphans(self, now: float) -> None:
        """See to what others have left lying."""
        for name, queue, rescue in self.junction.orphans(now):
            self._clear(name, queue, rescue, now)

    def _clear(self, name: str, queue: Queue, rescue: Rescue, now: float) -> None:
        for _ in range(MOST_AT_ONCE):
            received = None if self.is_full else queue.receive(self._socket_class)
            if received is None:
                return
            sock, handed = received
            if now > handed.deadline or rescue is Rescue.REFUSE:
                self._refuse(name, sock, handed, now)
            elif rescue is Rescue.SERVE:
                self._take(sock, handed, now)
            else:
                queue.send_back(sock, handed, self.junction.timeout)
                return

    # -- the end --------------------------------------------------------------------------------------

    def takes_last(self) -> bool:
        """The worker has no connections left and would go: it takes one that would be lost with it.

        Before it leaves, since in a queue that nobody receives from, others answer 503.
        """
        if not self.junction.is_alone():
            return False
        received = self.junction.queue.receive(self._socket_class)
        if received is None:
            return False
        self._take(*received, received[1].deadline)
        return True

    def leave(self) -> None:
        """Take nothing more."""
        if not self._has_left:
            self.stop_listening()
            self._has_left = True
            self.junction.leave()

    def dismiss_abandoned(self) -> None:
        """The worker goes: tell those whom nobody will serve."""
        for queue in self.junction.abandoned():
            while (received := queue.receive(self._socket_class)) is not None:
                sock = received[0]
                try:
                    sock.send(refusal(unavailable(self.junction.pool), self._shared.prefixes))
                    sock.shutdown(socket.SHUT_WR)
                except OSError:  # the client has gone
                    pass
                sock.close()
