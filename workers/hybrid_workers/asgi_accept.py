"""Taking connections off the listeners of an asgi worker, no more than it has room for.

We accept ourselves instead of leaving it to the event loop's server: libuv accepts until the kernel has no
more, so whichever worker wakes first takes a whole burst while its siblings idle, and it cannot be told to
stop at a number of connections. See docs/decisions for the measurement.
"""

from __future__ import annotations

import _socket
import asyncio
import errno
import socket
import sys
from collections.abc import Coroutine
from math import inf
from time import monotonic
from typing import Any, Final, cast

from hybrid.contract import Listener
from hybrid.contract.queue import Handed
from hybrid.contract.scoreboard import Word
from hybrid.errors import ProtocolError
from hybrid.http.deadlines import LINGER_S
from hybrid.http.peer import Peer
from hybrid_workers.admission import Admission
from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_joining import Joining
from hybrid_workers.asgi_phase import LAST_CHANCE_S
from hybrid_workers.asgi_service import Service
from hybrid_workers.asgi_threshold import IS_POSSIBLE, Threshold
from hybrid_workers.balance import Balance
from hybrid_workers.door import Client, Door, Server
from hybrid_workers.stream_socket import StreamSocket

BUDGET = 8
"""Connections accepted per listener and turn of the loop: between two turns a sibling gets its chance."""
BUDGET_ALONE = 32
"""Where there is no sibling."""
BACK_OFF_S = 0.1
"""How long no connection is accepted when there is no descriptor or memory for one."""
YIELD_S = 0.05
"""How long a worker that holds more connections than a sibling leaves new ones to it."""
GRACE_S = 0.005
"""What waits right after that was left by the sibling too."""

_CONNECTIONS: Final = int(Word.CONNECTIONS)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Owns no socket: listeners belong to the arbiter, connections to their transports."""

    def __init__(self, service: Service, listeners: tuple[Listener, ...], capacity: int) -> None:
        self._service = service
        self._loop = service.loop
        self._capacity = capacity
        self._pending: set[asyncio.Task[Any]] = set()
        """Connections that are admitted first."""
        self._joining = 0
        """Those that have no transport yet."""
        self._is_accepting = False
        self._is_stopped = False
        self._yielding: asyncio.TimerHandle | None = None
        """When it is over that new connections are left to a sibling."""
        self._grace_until = 0.0
        self._balance = service.balance
        self._budget = BUDGET if service.balance is not None else BUDGET_ALONE
        self._words = service.row.words
        self._threshold: Threshold | None = None
        if IS_POSSIBLE and not service.admissions.is_needed:
            self._threshold = Threshold(service.loop, service.context)
        self._use(listeners)
        service.on_connection_closed = self._closed

    def resume(self) -> None:
        """Accept, if there is room."""
        if self._is_accepting or self._is_stopped or self._yielding is not None or self.is_full:
            return
        self._is_accepting = True
        for door in self._doors:
            self._loop.add_reader(door.fd, self._accept, door)

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        """Accept from these from now on, and close those before."""
        self._pause()
        for door in self._doors:
            door.close()
        self._use(listeners)
        self.resume()

    def _use(self, listeners: tuple[Listener, ...]) -> None:
        # The loop's transports ask for more than `_socket` has, and few of those that begin on ours get there.
        connection_class = StreamSocket if self._threshold is None else _socket.socket
        self._doors = [Door(listener, connection_class) for listener in listeners]

    def stop(self, *, is_last: bool) -> None:
        """Accept no more, for good. `is_last`: no sibling will take what waits in the backlog, so we do.

        None of these is served before that is closed: a client that has its answer comes again, and would be reset.
        """
        self._pause()
        self._is_stopped = True
        for door in self._doors:
            if is_last:
                for _ in range(self._service.settings.backlog // BUDGET):
                    if not self._accept_some(door):
                        break
            door.close()
        if self._threshold is not None:
            self._threshold.greet()
        self._loop.call_later(LAST_CHANCE_S, self._give_up)

    def close(self) -> None:
        """All connections have ended."""
        if self._threshold is not None:
            self._threshold.close()

    def _give_up(self) -> None:
        """Whoever is still on its way in when the worker stops was silent for too long."""
        for task in self._pending:
            task.cancel()

    @property
    def is_connecting(self) -> bool:
        """There are connections accepted that the service does not know yet."""
        return bool(self._pending or self._joining)

    @property
    def is_full(self) -> bool:
        """There are as many connections as there may be."""
        return len(self._service.connections) + len(self._pending) + self._joining >= self._capacity

    def _count(self) -> int:
        """How many connections there are; told to the siblings too, which go by it."""
        count = len(self._service.connections) + len(self._pending) + self._joining
        self._words[_CONNECTIONS] = count
        return count

    def _closed(self) -> None:
        count = self._count()
        if self._yielding is not None and self._balance is not None and not self._balance.is_ahead(count, monotonic()):
            # At once: the sibling may have come to leave connections to us meanwhile.
            self._yielding.cancel()
            self._go_on()
        self.resume()

    def _yields(self, balance: Balance) -> bool:
        """Leave what waits to a sibling with fewer connections, but not for long."""
        now = monotonic()
        if now < self._grace_until or not balance.is_ahead(self._count(), now):
            return False
        self._pause()
        self._yielding = self._loop.call_later(YIELD_S, self._go_on)
        return True

    def _go_on(self) -> None:
        self._yielding = None
        self._grace_until = monotonic() + GRACE_S
        self.resume()

    def _pause(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for door in self._doors:
                self._loop.remove_reader(door.fd)

    def _accept(self, door: Door[_socket.socket]) -> bool:
        """True if there may be more at once."""
        may_be_more = self._accept_some(door)
        if self._threshold is not None:
            self._threshold.greet()
        return may_be_more

    def _accept_some(self, door: Door[_socket.socket]) -> bool:
        room = self._capacity - self._count()
        if room <= 0:
            self._pause()
            return False
        for _ in range(min(self._budget, room)):
            if self._balance is not None and not self._is_stopped and self._yields(self._balance):
                return False
            try:
                sock, client, server = door.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):  # a sibling was quicker, or the client left
                return False
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._service.log.error("accept: %s; trying again in %.1f s", error.strerror, BACK_OFF_S)
                self._pause()
                self._loop.call_later(BACK_OFF_S, self.resume)
                return False
            self._take(sock, client, server)
        return True

    def adopt(
        self,
        sock: socket.socket,
        peer: Peer,
        *,
        handed: Handed | None = None,
        refused: ProtocolError | None = None,
    ) -> None:
        """Serve a connected, non-blocking socket, which becomes ours. `handed`: another worker has read from it.

        `refused`: it is told so instead.
        """
        self._service.accepted += handed is None
        self._join(sock, peer, refused, handed)

    def _join(
        self,
        sock: socket.socket,
        peer: Peer,
        refused: ProtocolError | None = None,
        handed: Handed | None = None,
    ) -> None:
        self._joining += 1
        Joining(self._service, sock, peer, self._joined, refused, handed).go_on()

    def _joined(self) -> None:
        self._joining -= 1
        self.resume()  # it may have been one too many

    def _take(self, sock: _socket.socket, client: Client, server: Server) -> None:
        """Serve a connection just accepted; first admit it, if there is more than HTTP on it."""
        service = self._service
        admissions = service.admissions
        if self._threshold is not None:
            service.accepted += 1
            self._threshold.admit(sock, HttpConnection(service, admissions.meet(client, server)))
        elif admissions.is_needed:
            service.accepted += 1
            self._begin(self._admit(Admission(admissions, cast("StreamSocket", sock), client, server, monotonic())))
        else:
            self.adopt(cast("StreamSocket", sock), admissions.meet(client, server))

    def _begin(self, entering: Coroutine[Any, Any, None]) -> None:
        if sys.version_info >= (3, 12):
            task = asyncio.Task(entering, loop=self._loop, eager_start=True)
        else:
            task = self._loop.create_task(entering)
        self._pending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self.resume()  # it may have been one too many

    async def _admit(self, admission: Admission) -> None:
        """Take the PROXY header and make sure that TLS follows where it must; TLS itself is the event loop's."""
        admissions = self._service.admissions
        sock = admission.sock
        try:
            async with asyncio.timeout(None if admissions.timeout == inf else admissions.timeout):
                while admission.advance_to_tls():
                    await self._readable(sock)
        except ProtocolError as error:
            admissions.tell_failed(admission, error)
            self._join(sock, admission.peer, error)  # to be told so in plain HTTP
            return
        except OSError as error:  # TimeoutError among them
            admissions.tell_failed(admission, error)
            admission.close()
            return
        except asyncio.CancelledError:
            admission.close()
            raise
        if admissions.tls is None:
            self._join(sock, admission.peer)
            return
        try:
            await self._loop.connect_accepted_socket(  # type: ignore[type-var]  # see Wire
                lambda: HttpConnection(self._service, admission.peer),
                sock,
                ssl=admissions.tls,
                ssl_handshake_timeout=None if admissions.timeout == inf else admission.deadline - monotonic(),
                ssl_shutdown_timeout=LINGER_S,
            )
        except OSError as error:
            admissions.tell_failed(admission, error)
            sock.close()

    async def _readable(self, sock: socket.socket) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(sock, _set, ready)
        try:
            await ready
        finally:
            self._loop.remove_reader(sock)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
