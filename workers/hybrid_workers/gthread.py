"""The gthread worker: the reactor in the main thread, the application in `--threads` others.

A thread writes its answer itself. It then only notes the connection for the reactor, which looks at those
notes before it looks at events: so a plain keep-alive request needs no wake-up to hand the connection back.
"""

from __future__ import annotations

import sys
from time import monotonic
from types import FrameType
from typing import Final

from hybrid.contract import Listener, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.http.request import Request
from hybrid_workers.call import Call, Outcome, begin
from hybrid_workers.connection import Connection, Phase
from hybrid_workers.poller import READ
from hybrid_workers.reactor import Reactor
from hybrid_workers.relief import LOOK_S
from hybrid_workers.stacks import frames_of
from hybrid_workers.threads import Keeper, ThreadPool
from hybrid_workers.wsgi_service import WsgiService

_MOST_AT_ONCE: Final = 32


class GThreadWorker:
    """See `hybrid.contract.Worker`."""

    leaves_requests = True

    def __init__(self, context: WorkerContext) -> None:
        threads = context.settings.threads
        self._service = WsgiService(context, is_multithread=True)
        self._reactor = Reactor(self._service, context.listeners, self)
        self._pool = ThreadPool[Call](threads, self._bring_back)
        self._service.spooling.share_threads(threads, self._pool.is_short)
        self._threads = threads
        self._batch: list[Call] = []
        """Requests of one batch of events, for the pool. Given to it one by one, each would have a thread woken that
        then competes with the reactor for the interpreter at every recv()."""
        context.row.words[Word.CAPACITY] = min(threads, context.settings.limit_concurrency or threads)

    def boot(self) -> None:
        self._pool.start()

    def serve(self) -> None:
        self._reactor.run()
        self._pool.stop()

    def stop(self, *, graceful: bool) -> None:
        self._reactor.stop(graceful=graceful)

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        self._reactor.admit(listeners)

    # -- hybrid_workers.reactor.Runner ----------------------------------------------------------------

    def start(self, connection: Connection, request: Request) -> None:
        connection.phase = Phase.BUSY
        if not connection.is_read:
            self._reactor.watch(connection, 0)  # the thread reads the rest of the body, and nobody else may
        batch = self._batch
        now = monotonic()
        connection.deadline = now + self._reactor.limit
        batch.append(begin(self._service, connection, request, now, 0.0, False))
        if len(batch) >= _MOST_AT_ONCE:
            self.flush()

    def resume(self, call: Call) -> None:
        if call.is_all_written:
            call.run()
            self._reactor.settle(call, monotonic())
        else:
            self._pool.resume(call)

    def abandon(self, call: Call) -> None:
        call.is_client_gone = True
        self._pool.resume(call)

    def flush(self) -> None:
        if self._batch:
            self._pool.submit_all(self._batch)
            self._batch = []

    def release(self) -> None:
        """Nothing is held back."""

    def has_room(self) -> bool:
        # A client that has its answer may send the next request before the reactor has looked at what threads returned.
        reactor = self._reactor
        return reactor.active - len(reactor.returned) < self._threads

    def is_stuck(self, now: float) -> bool:
        return self._pool.is_at_calls_since(now - LOOK_S)

    def frames(self, call: Call) -> list[FrameType]:
        keeper = call.keeper
        assert isinstance(keeper, Keeper), "only calls that have begun are over their deadline"
        return frames_of(sys._current_frames().get(keeper.ident or 0))

    def interrupt(self, call: Call) -> None:
        assert isinstance(call.keeper, Keeper)
        call.keeper.target.interrupt(call)

    def part(self, call: Call) -> None:
        assert isinstance(call.keeper, Keeper)
        self._pool.replace(call.keeper)

    # -- in a pool thread -----------------------------------------------------------------------------

    def _bring_back(self, call: Call) -> None:
        """Leave a call to the reactor; wake it only if something waits for that.

        It looks into `returned` after every event and before it waits. So if it has not seen this call yet, it
        has by now set whatever is tested here.
        """
        reactor = self._reactor
        connection = call.connection
        if call.outcome is Outcome.ANSWERED and not call.keep_alive and not call.is_detached:
            # Right behind the answer: a client that has read it would close first, and keep its port in TIME-WAIT.
            connection.finish_writing()
        reactor.returned.append(call)
        if (
            call.outcome is not Outcome.ANSWERED
            or connection.watched != READ
            or connection.receiver.buffer
            or not (reactor.acceptor.is_accepting or reactor.acceptor.is_ahead)
            or (reactor.crossroads is not None and not reactor.crossroads.is_receiving)
            or not call.keep_alive
        ):
            reactor.wakeup.wake()
