"""Taking connections off the listeners of a WSGI worker, no more than it has room for.

The kernel tells one worker of a new connection, whichever it pleases. So a worker that is busy, or has more
connections than a sibling, does not look at its listeners for a while; and since a sibling may have been told of a
connection and ended before it took it, a worker that is idle looks at them now and then without being told.
"""

from __future__ import annotations

import _socket
import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, cast

from hybrid.contract import Listener
from hybrid.contract.scoreboard import Word
from hybrid.http.peer import Peer
from hybrid_workers.balance import Balance
from hybrid_workers.connection import Connection
from hybrid_workers.door import Client, Door, Server
from hybrid_workers.drain import is_last
from hybrid_workers.entrance import Entrance
from hybrid_workers.inherited import bound_unsent
from hybrid_workers.poller import EXCLUSIVE, READ, Poller

if TYPE_CHECKING:
    from hybrid_workers.call import Call
    from hybrid_workers.tls_transport import TlsTransport
    from hybrid_workers.wsgi_service import WsgiService

BUSY_DELAY_S: Final = 0.02
"""How long a worker without a free thread leaves a new connection to its siblings."""
AHEAD_LOOK_S: Final = 0.05
"""How often a worker that has more connections than a sibling looks whether it still has."""
AHEAD_S: Final = 0.2
"""After so long it takes one all the same: perhaps the sibling cannot."""
EXPECT_S: Final = 0.05
"""Who connects sends a request within this time, or is not waited for."""
PAUSE_S: Final = 0.5
"""How long no connection is accepted when there is no descriptor or memory for one."""
_BUDGET: Final = 32
"""Connections accepted per event by a worker without siblings."""
_NO_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_CAPACITY: Final = int(Word.CAPACITY)


class Host(Protocol):
    """The reactor."""

    connections: dict[int, Connection]
    returned: deque[Call]
    active: int
    is_stopping: bool

    def has_room(self) -> bool:
        """A further request would be served soon."""

    def adopt(self, sock: _socket.socket | TlsTransport, peer: Peer, now: float) -> object:
        """Serve a connected, non-blocking socket from now on."""


class Acceptor:
    """One per reactor. The listeners are the arbiter's, but for this process it closes them."""

    def __init__(
        self,
        host: Host,
        service: WsgiService,
        poller: Poller,
        entrance: Entrance,
        listeners: tuple[Listener, ...],
    ) -> None:
        context = service.context
        self.is_accepting = False
        self.is_closed = False
        """It accepts no more, and its listeners are closed."""
        self.is_ahead = False
        """It leaves connections to siblings that have fewer, and not because it has no room."""
        self.again_at = 0.0
        """When to `listen()` again, if not before."""
        self._expected = 0
        """Connections just accepted whose request has not come; of a worker with siblings."""
        self.has_siblings = context.pool_size > 1
        self._host = host
        self._is_room = host.has_room
        self._context = context
        self._words = service.row.words
        self._poller = poller
        self._admissions = service.admissions
        self._entrance = entrance
        self._balance = Balance(context)
        self._most = context.settings.worker_connections
        self._budget = 1 if self.has_siblings else _BUDGET
        self._has_delayed = False
        self._ahead_until = 0.0
        self._ahead_with = 0
        """It had so many connections when it looked last whether it still is."""
        self._expected_until = 0.0
        self._connection_class: type[_socket.socket] = _socket.socket
        if self._admissions.is_needed and listeners:  # for TLS; where that is the hub's, it must be the one of before
            self._connection_class = getattr(listeners[0].socket, "plain", socket.socket)
        self._use(listeners)

    def __contains__(self, fd: int) -> bool:
        """It is the descriptor of one of the listeners."""
        return fd in self._doors

    @property
    def is_full(self) -> bool:
        """There are as many connections as there may be."""
        return len(self._host.connections) + len(self._entrance) >= self._most

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        """Accept from these from now on, and close those before."""
        self.pause()
        for door in self._doors.values():
            door.close()
        self._use(listeners)

    def _use(self, listeners: tuple[Listener, ...]) -> None:
        for listener in listeners:
            bound_unsent(listener)
        doors = [Door(listener, self._connection_class) for listener in listeners]
        self._doors = {door.fd: door for door in doors}

    # -- whether ------------------------------------------------------------------------------------

    def has_room(self, now: float) -> bool:
        """A further connection would be served soon, and not behind one whose request is about to come."""
        if self._expected and now > self._expected_until:
            self._expected = 0
        host = self._host
        busy = host.active - len(host.returned) + self._expected
        return self._is_room() and (not self._expected or busy < self._words[_CAPACITY])

    def expect(self, now: float) -> None:
        """A connection has come, so a request is about to."""
        self._expected += 1
        self._expected_until = now + EXPECT_S

    def met(self) -> None:
        """The request of one of them has come, or the connection has gone."""
        if self._expected:
            self._expected -= 1

    def listen(self, now: float) -> None:
        """Take connections, unless that must wait."""
        if self.is_closed or len(self._host.connections) >= self._most:
            return
        if self.is_ahead:
            count = len(self._host.connections)
            if now < self.again_at and count >= self._ahead_with:
                return  # else one has ended: the sibling may have come to leave connections to us meanwhile
            if now < self._ahead_until and self._balance.is_ahead(count, now):
                self._look_again(count, now)
                return
            self.is_ahead = False
        elif now < self.again_at:
            if not (self._has_delayed and self.has_room(now)):
                return
        elif self._has_delayed and self.has_siblings and not self.has_room(now) and self._balance.has_room(now):
            self.again_at = now + BUSY_DELAY_S
            return
        self.is_accepting = True
        for fd in self._doors:
            self._poller.register(fd, READ | EXCLUSIVE)

    def _look_again(self, count: int, now: float) -> None:
        """With so many connections this worker is ahead of a sibling: until when, or until how many?"""
        self.again_at = now + AHEAD_LOOK_S
        self._ahead_with = count

    def pause(self) -> None:
        """Take none until `listen()`."""
        if self.is_accepting:
            self.is_accepting = False
            for fd in self._doors:
                self._poller.unregister(fd)

    def leave(self, now: float) -> None:
        """Leave what comes to a sibling that is idle; but not for long, or under load nobody new would get in.

        At once, not with the next connection: the kernel tells one worker only, and would not tell another.
        """
        self._has_delayed = True
        self.again_at = now + BUSY_DELAY_S
        self.pause()

    # -- taking -------------------------------------------------------------------------------------

    def accept(self, fd: int, now: float) -> None:
        """A listener has connections, or may have."""
        host = self._host
        accept = self._doors[fd].accept
        if not self._has_delayed and not self.has_room(now):
            self.leave(now)
            return
        self._has_delayed = False
        room = self._most - len(host.connections) - len(self._entrance)
        if room <= 0:
            self.pause()
            return
        for _ in range(min(self._budget, room)):
            try:
                sock, client, server = accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._back_off(error, now)
                return
            self._enter(sock, client, server, now)
            if self._expected and not self.has_room(now):
                self.leave(now)
                return
            if self.has_siblings and not host.is_stopping and self._balance.is_ahead(len(host.connections), now):
                self.leave(now)
                self.is_ahead = True
                self._look_again(len(host.connections), now)
                self._ahead_until = now + AHEAD_S
                return

    def _enter(self, sock: _socket.socket, client: Client, server: Server, now: float) -> None:
        if self._admissions.is_needed:
            self._entrance.add(cast("socket.socket", sock), client, server, now)
        else:
            self._host.adopt(sock, self._admissions.meet(client, server), now)

    def look(self, now: float) -> None:
        """The kernel tells one worker of a connection, and does not tell another if that one dies or stops first."""
        for fd in self._doors:
            if self.is_accepting and self.has_room(now):
                self.accept(fd, now)

    def close(self, now: float) -> None:
        """Accept no more. What the kernel has accepted for us already is served, unless a sibling will.

        None of it is served before the listeners are closed: a client that has its answer comes again, and would be
        reset.
        """
        self.pause()
        self.is_closed = True
        waiting = self._waiting() if is_last(self._context) else []
        for door in self._doors.values():
            door.close()
        for sock, client, server in waiting:
            self._enter(sock, client, server, now)

    def _waiting(self) -> list[tuple[_socket.socket, Client, Server]]:
        """All that wait to be accepted, and for whom there is room."""
        found: list[tuple[_socket.socket, Client, Server]] = []
        room = self._most - len(self._host.connections) - len(self._entrance)
        for door in self._doors.values():
            while len(found) < room:
                try:
                    found.append(door.accept())
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    break
                except OSError as error:
                    self._context.log.error("accept: %s; who waits there still is not served", error.strerror)
                    break
        return found

    def _back_off(self, error: OSError, now: float) -> None:
        """Out of descriptors or memory: the connection stays in the backlog, where a sibling may take it."""
        hint = "; raise ulimit -n or lower --worker-connections" if error.errno in _NO_RESOURCES else ""
        self._context.log.error("accept: %s%s; trying again in %g s", error.strerror, hint, PAUSE_S)
        self.again_at = now + PAUSE_S
        self.pause()
