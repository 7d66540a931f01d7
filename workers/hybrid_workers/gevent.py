"""The gevent worker: a greenlet per connection that has a request, events for everything else.

The reactor is the main greenlet, and waits in the hub. It gives each request to its connection's greenlet;
there whatever the application waits for lets all others run, for the standard library is monkey-patched.
The reactor's own sockets are not: it never waits for one of them, and gevent's cost more.

The beat is stamped by the reactor. So a hub that is held up, by an application that computes or that waits
in a way that cannot be patched, goes silent, and --timeout ends it.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from time import monotonic
from types import FrameType
from typing import Final

from gevent import monkey, sleep, spawn

from hybrid.contract import Listener, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.http.request import Request
from hybrid_workers.call import Call, begin
from hybrid_workers.connection import Connection, Phase
from hybrid_workers.deadline import BEAT_AHEAD_S
from hybrid_workers.gevent_connection import GreenConnection, Keeper
from hybrid_workers.gevent_poller import HubPoller
from hybrid_workers.guard import Guard, Threads
from hybrid_workers.reactor import Reactor
from hybrid_workers.stacks import frames_of
from hybrid_workers.waiting import Waiting, record_when_asked
from hybrid_workers.wsgi_service import WsgiService

LOOK_S: Final = 0.25
HELD_S: Final = 0.75
"""A hub that has not come round for so long is held by a greenlet."""
REST_S: Final = 1.0
"""How long a connection without a request keeps its greenlet."""

_KEEPER_RUN: Final = Keeper._run.__code__
_THREADS: Final = Threads(
    lambda run: monkey.get_original("_thread", "start_new_thread")(run, ()),
    monkey.get_original("time", "sleep"),
    monkey.get_original("_thread", "get_ident"),
)
_PlainSocket: Final[type[socket.socket]] = monkey.get_original("socket", "socket")


class GeventWorker:
    """See `hybrid.contract.Worker`."""

    leaves_requests = False

    @classmethod
    def prepare(cls) -> None:
        """Monkey-patch; before hooks, TLS and the application import what is to be patched."""
        monkey.patch_all()

    @staticmethod
    def before_fork(context: WorkerContext) -> None:
        """Import what a hub does when it is made: in a template, once for all that are made of it."""
        import pprint  # noqa: F401

    def __init__(self, context: WorkerContext) -> None:
        self._service = WsgiService(context, is_multithread=True, has_few_threads=False)
        self._poller = HubPoller()
        self._reactor = Reactor(self._service, _unpatched(context.listeners), self, self._poller, GreenConnection)
        self._context = context
        self._row = context.row
        self._main = _THREADS.get_ident()
        most = context.settings.worker_connections
        context.row.words[Word.CAPACITY] = min(most, context.settings.limit_concurrency or most)

    def boot(self) -> None:
        """The application is loaded already: see `WorkerContext.app`."""

    def serve(self) -> None:
        letting_go = spawn(self._let_go)
        if self._context.black_box >= 0:
            record_when_asked(self._context.black_box, "greenlets", self._greenlets)
        Guard(self._context, self._held_by, pace=LOOK_S, threads=_THREADS)
        try:
            self._reactor.run()
        finally:
            letting_go.kill(block=False)

    def stop(self, *, graceful: bool) -> None:
        self._reactor.stop(graceful=graceful)

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        self._reactor.admit(_unpatched(listeners))

    # -- hybrid_workers.reactor.Runner ----------------------------------------------------------------

    def start(self, connection: Connection, request: Request) -> None:
        connection.phase = Phase.BUSY
        if not connection.is_read:
            self._reactor.watch(connection, 0)  # the application's greenlet reads the rest of the body
        now = monotonic()
        connection.deadline = now + self._reactor.limit
        self._give(begin(self._service, connection, request, now, now, False))

    def resume(self, call: Call) -> None:
        self._give(call)

    def abandon(self, call: Call) -> None:
        call.is_client_gone = True
        self._give(call)

    def flush(self) -> None:
        """Nothing is held back."""

    def release(self) -> None:
        """Nothing is held back."""

    def has_room(self) -> bool:
        return True

    def is_stuck(self, now: float) -> bool:
        return False

    def frames(self, call: Call) -> list[FrameType]:
        keeper = self._keeper(call)
        return [] if keeper is None else frames_of(keeper.gr_frame)

    def interrupt(self, call: Call) -> None:
        keeper = self._keeper(call)
        if keeper is not None:
            keeper.interrupt(call)

    def part(self, call: Call) -> None:
        """Its greenlet holds nobody up."""

    def _keeper(self, call: Call) -> Keeper | None:
        connection = call.connection
        assert isinstance(connection, GreenConnection), "the reactor was told to make these"
        return connection.keeper

    def _give(self, call: Call) -> None:
        connection = call.connection
        assert isinstance(connection, GreenConnection), "the reactor was told to make these"
        keeper = connection.keeper
        if keeper is None or keeper.is_over:
            keeper = connection.keeper = Keeper(self._settle)
        keeper.give(call)

    def _greenlets(self) -> list[Waiting]:
        """Those that are at a request."""
        found = []
        for connection in list(self._reactor.connections.values()):
            assert isinstance(connection, GreenConnection), "the reactor was told to make these"
            keeper = connection.keeper
            if keeper is not None and keeper.running is not None:
                request = keeper.running.request
                name = f"Greenlet serving {request.method} {request.target.decode('latin-1')[:200]}"
                found.append((name, frames_of(keeper.gr_frame)))
        return found

    # -- in the guard's thread ------------------------------------------------------------------------

    def _held_by(self) -> Call | None:
        """The call that has held the hub for a while; None if the hub comes round."""
        if monotonic() - (self._row.floats[Word.BEAT] - BEAT_AHEAD_S) < HELD_S:
            return None
        for frame in frames_of(sys._current_frames().get(self._main)):
            if frame.f_code is _KEEPER_RUN:
                keeper = frame.f_locals.get("self")
                return keeper.running if isinstance(keeper, Keeper) else None
        return None

    # -- in a keeper ----------------------------------------------------------------------------------

    def _settle(self, call: Call) -> None:
        now = monotonic()
        self._row.beat(now + BEAT_AHEAD_S)  # many requests at once are not silence
        if not call.is_detached:
            self._reactor.settle(call, now)
        connection = call.connection
        if connection.receiver.buffer:
            self._poller.wake()  # the next request has come already, so that no event will tell of it
        assert isinstance(connection, GreenConnection), "the reactor was told to make these"
        connection.rested_at = now

    # -- in a greenlet of its own ---------------------------------------------------------------------

    def _let_go(self) -> None:
        """End the greenlets of connections that bring no more requests: most of what an idle one costs is its stack."""
        while True:
            sleep(REST_S / 2)
            due = monotonic() - REST_S
            for connection in list(self._reactor.connections.values()):
                assert isinstance(connection, GreenConnection), "the reactor was told to make these"
                keeper = connection.keeper
                if keeper is not None and connection.rested_at <= due and connection.phase is Phase.IDLE:
                    connection.keeper = None
                    keeper.end()


class _UnpatchedListener(_PlainSocket):  # type: ignore[misc, valid-type]  # a class, which mypy cannot see
    """Accepts as it was done before monkey-patching."""

    def __init__(self, made: socket.socket) -> None:
        """Shares the descriptor, which `made` goes on owning."""
        self.plain = _PlainSocket
        super().__init__(made.family, made.type, made.proto, fileno=made.fileno())
        self._made = made

    def close(self) -> None:
        self.detach()
        self._made.close()


def _unpatched(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    return tuple(replace(listener, socket=_UnpatchedListener(listener.socket)) for listener in listeners)
