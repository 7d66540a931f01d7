"""Which pool answers a request, and how a connection gets there: what all worker classes share of it.

A worker asks for each request whose head it has read. If it is for another pool, the connection goes into that pool's
queue with all that was read of it, and this worker forgets it: nothing was answered, counted or logged. A pool that has
no ready worker, or no room in its queue, is stood in for by its fallback; where there is none the client is told 503.
Only a pool that the server has just started is waited for: its first worker may be ready a moment after this one, and
a client that came before either would have been kept waiting, not refused.

What is in a queue is answered whatever becomes of its pool: all workers look after all queues, a few times a second.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, Final

from hybrid.contract import WorkerContext
from hybrid.contract.queue import MARK, Handed, Kind, Queue
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.request import Request

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing
    from hybrid.http1.receiver import Receiver
    from hybrid.http1.response import Prefixes
    from hybrid.routing import Choice, Route, RouteTable

_VERSION: Final = 0
_MOST_NAMES: Final = 1024
_QUIET_S: Final = 5.0
_MARKS: Final = (MARK, MARK.replace(b"-", b"_"))
RETRY_AFTER: Final = b"retry-after: 1\r\n"


class Way(IntEnum):
    """What becomes of a request."""

    HERE = 0
    """This worker serves it."""
    LEFT = 1
    """The connection is in another pool's queue: close it without a word."""
    REFUSED = 2
    """Nobody can serve it now: answer `unavailable()`."""


class Rescue(IntEnum):
    """What to do with connections in the queue of another pool."""

    SERVE = 0
    """This worker's pool is its fallback."""
    REFUSE_LATE = 1
    """Answer 503 to those whose time is over."""
    REFUSE = 2
    """Answer 503 to all: the pool has nobody."""


def unavailable(pool: str) -> ProtocolError:
    """For a request whose pool cannot take it."""
    return ProtocolError(503, f"no worker of pool {pool} can take this request now; try again", fields=RETRY_AFTER)


class Junction:
    """One per worker; no locks, so one thread."""

    def __init__(self, context: WorkerContext, crossing: Crossing) -> None:
        self.pool = crossing.pool
        self.queue: Queue = crossing.own
        self.is_routing = crossing.is_routing
        self.is_stopping = False
        """Other pools stop too, perhaps: then what they take without being ready is good enough."""
        self.timeout = crossing.timeout
        self._log: logging.Logger = context.log
        self._slot = context.slot
        self._crossing = crossing
        self._page = crossing.page
        self._words = crossing.page.words
        self._names = crossing.names
        self._indexes = {name: index for index, name in enumerate(self._names)}
        self._table: RouteTable | None = None
        self._version = 0
        self._fallbacks: Mapping[str, str] = crossing.fallbacks
        self._patterns: dict[int, tuple[Route, str]] = {}
        self._say_starved_at = 0.0
        if crossing.is_routing:  # else there are only siblings, and no routes to be read
            from hybrid.routing.in_force import from_text

            self._from_text = from_text
        self._gone_since: dict[str, float] = {}
        self.queue.enter(self._slot, os.getpid())

    # -- where to -------------------------------------------------------------------------------------

    def choose(self, request: Request, peer: Peer) -> Choice | None:
        """The pool of a request; None while no routes are in force, so that this worker serves what it gets.

        Raises ProtocolError(400) where a trusted peer names a pool that does not exist.
        """
        unmark(request)
        if self._words[_VERSION] != self._version:
            self._read_routes()
        table = self._table
        return None if table is None else table.choose(request, is_trusted=peer.is_trusted)

    def pattern_of(self, choice: Choice) -> str:
        """The route's pattern as text."""
        # By identity: to hash a route means to hash all that it consists of.
        known = self._patterns.get(id(choice.route))
        if known is not None and known[0] is choice.route:
            return known[1]
        if len(self._patterns) >= _MOST_NAMES:
            self._patterns.clear()
        text = str(choice.route.pattern)
        self._patterns[id(choice.route)] = (choice.route, text)
        return text

    def _read_routes(self) -> None:
        self._version, text = self._page.read()
        found = self._from_text(text, self._version)
        if all(name in self._indexes for name in found.pools):
            self._table = found.table
            self._fallbacks = {name: facts.fallback for name, facts in found.pools.items()}
            self._patterns.clear()
        # else they are for the release that follows ours, whose pools we cannot reach: what was in force stays so

    # -- giving -------------------------------------------------------------------------------------

    def pass_on(self, fd: int, peer: Peer, request: Request, receiver: Receiver, choice: Choice) -> Way:
        """See to a request that is for another pool. After LEFT the worker closes its end, unannounced."""
        handed = self.handed(Kind.REQUEST, peer, request.head + receiver.buffer, receiver.ahead)
        handed.set_cookie = choice.set_cookie
        handed.route = self.pattern_of(choice)
        pool = choice.pool
        tried: set[str] = set()
        while pool and pool not in tried:
            if pool == self.pool:
                return Way.HERE
            tried.add(pool)
            if self._can_take(pool) and self._send(pool, fd, handed):
                return Way.LEFT
            pool = self._fallbacks.get(pool, "")
        if self._is_starting(choice.pool) and self._send(choice.pool, fd, handed):
            return Way.LEFT
        self.note_refused(choice.pool, handed.route)
        return Way.REFUSED

    def note_refused(self, pool: str, route: str) -> None:
        """A request is told that this pool cannot serve it: its error, though it never saw it."""
        if self._crossing.traffic is not None and route:
            self._crossing.traffic.cell(pool, route).refused()

    def relieve(self, fd: int, peer: Peer, data: bytes = b"", ahead: int = 0) -> bool:
        """Leave a connection to an idle worker of our own pool. False: keep it."""
        return self._send(self.pool, fd, self.handed(Kind.RELIEF, peer, data, ahead))

    def handed(self, kind: Kind, peer: Peer, data: bytes, ahead: int) -> Handed:
        return Handed(kind, monotonic() + self.timeout, peer.client, peer.server, data, b"", "", ahead)

    def _can_take(self, pool: str) -> bool:
        index = self._indexes.get(pool)
        if index is None:
            return False
        if self._page.ready(index) > 0:
            return True
        # Everybody stops: the arbiter says so before it says that nobody is ready, and before this worker hears of it.
        return (self.is_stopping or self._page.is_stopping) and self._crossing.queues[pool].has_receiver()

    def _is_starting(self, pool: str) -> bool:
        index = self._indexes.get(pool)
        return index is not None and self._page.is_starting(index) and not (self.is_stopping or self._page.is_stopping)

    def _send(self, pool: str, fd: int, handed: Handed) -> bool:
        try:
            return self._crossing.queues[pool].send(fd, handed)
        except OSError as error:
            self._log.error("hand-off to pool %s: %s", pool, error.strerror)
            return False

    # -- looking after the queues -------------------------------------------------------------------

    def orphans(self, now: float) -> list[tuple[str, Queue, Rescue]]:
        """Queues to take from though it is for others to do so."""
        found = []
        for name, queue in self._crossing.queues.items():
            if not queue.waiting or name == self.pool or self._page.ready(self._indexes[name]) > 0:
                self._gone_since.pop(name, None)
                if queue.is_overdue(now, self.timeout):
                    found.append((name, queue, Rescue.REFUSE_LATE))
            elif self._fallbacks.get(name) == self.pool:
                found.append((name, queue, Rescue.SERVE))
            elif now - self._gone_since.setdefault(name, now) >= self.timeout:  # who died was not replaced in time
                found.append((name, queue, Rescue.REFUSE))
        return found

    def is_starved(self) -> bool:
        """There is no descriptor left for what waits in our queue: leave it to a sibling until the next sweep."""
        if self.queue.is_starved and monotonic() >= self._say_starved_at:
            self._say_starved_at = monotonic() + _QUIET_S
            self._log.error("hand-off: no descriptor left; trying again soon; raise ulimit -n")
        return self.queue.is_starved

    def is_alone(self) -> bool:
        """No other worker of our pool would take what is in its queue: for one that stops."""
        return self._page.ready(self._indexes[self.pool]) <= 0

    def leave(self) -> None:
        """This worker takes nothing more from its queue."""
        self.queue.leave(self._slot)

    def abandoned(self) -> list[Queue]:
        """Queues from which nobody at all receives any more: for the last look of a worker that stops."""
        return [
            queue
            for name, queue in self._crossing.queues.items()
            if self._page.ready(self._indexes[name]) <= 0 and not queue.has_receiver()
        ]


def unmark(request: Request) -> None:
    """Take out the field that says of a request that it is a copy: of one that came from a client it is not true.

    Nor is it where the client is a trusted proxy, which passes on what its own clients say.
    """
    for name, _ in request.headers:
        if name in _MARKS:
            request.headers = [field for field in request.headers if field[0] not in _MARKS]
            return


def adding_cookie(prefixes: Prefixes, set_cookie: bytes) -> Prefixes:
    """What a response begins with that also sets the cookie of its route."""
    return prefixes.adding(b"set-cookie: " + set_cookie + b"\r\n")
