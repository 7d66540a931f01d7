"""The sync worker: one application call at a time, events for everything else.

The application runs in the reactor's thread. A client that is slow to send is waited for before the call,
one that is slow to read after it; between two chunks of a long answer other requests may be served.
"""

from __future__ import annotations

from time import monotonic
from types import FrameType
from typing import Final

from hybrid.contract import Listener, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.http.request import Request
from hybrid_workers.call import Call, Outcome, begin
from hybrid_workers.connection import Connection
from hybrid_workers.deadline import BEAT_AHEAD_S
from hybrid_workers.drain import cut_streams_at
from hybrid_workers.guard import Guard
from hybrid_workers.outbox import FAST_S, Haste
from hybrid_workers.reactor import Reactor
from hybrid_workers.relief import Relief
from hybrid_workers.wsgi_service import WsgiService

BEAT_EVERY_S: Final = 0.05
"""Between two requests the worker proves that it is alive, if it has not done so for this long."""
_HELD = Outcome.HELD


class SyncWorker:
    """See `hybrid.contract.Worker`."""

    leaves_requests = False

    def __init__(self, context: WorkerContext) -> None:
        self._service = WsgiService(context, is_multithread=False)
        self._service.beats_with_pieces = True
        self._context = context
        self._call: Call | None = None
        """What the application is at."""
        self._reactor = Reactor(self._service, context.listeners, self)
        self._service.spooling.share_threads(1, self._is_wanted)
        context.row.words[Word.CAPACITY] = 1
        self._row = context.row
        self._beat_again_at = 0.0
        self._haste = Haste()
        self._held: list[Call] = []
        """Calls whose answer waits to be sent with others."""
        self._relief: Relief | None = None
        if context.pool_size > 1 and self._reactor.crossroads is not None:
            self._relief = Relief(self._since, self._give_away)

    def boot(self) -> None:
        """The application is loaded already: see `WorkerContext.app`."""

    def serve(self) -> None:
        Guard(self._context, lambda: self._call)
        if self._relief is not None:
            self._relief.start()
        self._reactor.run()

    def stop(self, *, graceful: bool) -> None:
        until = cut_streams_at(self._context, monotonic())
        self._service.cut_streams_at = min(until, self._service.cut_streams_at)
        self._reactor.stop(graceful=graceful)

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        self._reactor.admit(listeners)

    # -- hybrid_workers.reactor.Runner ----------------------------------------------------------------

    def start(self, connection: Connection, request: Request) -> None:
        now = monotonic()
        haste = self._haste
        if now < haste.holds_until and now - haste.began < FAST_S:
            haste.began = now  # one fast request behind another, which is all that there is to see
            may_hold = True
        else:
            may_hold = self._look(now)
        call = begin(self._service, connection, request, now, now, may_hold)
        relief = self._relief
        if relief is None:
            self._call = call
            outcome = call.run()
            self._call = None
        else:
            if relief.is_asleep:
                relief.wake()
            self._call = call
            relief.lock.release()
            outcome = call.run()
            relief.lock.acquire()
            self._call = None
        if outcome is _HELD:
            self._held.append(call)
        else:
            self._reactor.settle(call, monotonic())

    def resume(self, call: Call) -> None:
        self.release()
        call.run()
        self._reactor.settle(call, monotonic())

    def abandon(self, call: Call) -> None:
        self.release()
        call.abandon()
        self._reactor.settle(call, monotonic())

    def flush(self) -> None:
        now = monotonic()
        self._haste.ends(now)
        if self._held:
            self._settle_held(now)

    def release(self) -> None:
        for call in self._held:
            call.release()

    def has_room(self) -> bool:
        return True

    def is_stuck(self, now: float) -> bool:
        return False

    def _is_wanted(self) -> bool:
        """Asked again and again while the application waits for a client, when nothing else proves that we live."""
        self._row.beat(monotonic() + BEAT_AHEAD_S)
        return self._reactor.is_wanted()

    def frames(self, call: Call) -> list[FrameType]:
        return []  # the deadline is the guard's: the reactor stands still meanwhile

    def interrupt(self, call: Call) -> None:
        pass

    def part(self, call: Call) -> None:
        pass

    # -- in the thread of the relief, while the application runs ---------------------------------------

    def _since(self) -> float:
        call = self._call
        return 0.0 if call is None else call.began

    def _give_away(self, now: float) -> None:
        crossroads = self._reactor.crossroads
        assert crossroads is not None, "there is relief only where connections can go somewhere"
        kept = {call.connection for call in self._held}
        if self._call is not None:  # it may be answered already, and its client gone or at its next request
            kept.add(self._call.connection)
        crossroads.give_away(self._reactor.pipelined, kept, now)

    # -------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> bool:
        """A request begins that is the first of a batch, or behind a slow one: may its answer be held back?"""
        if now >= self._beat_again_at:  # a batch of slow requests is not silence
            self._beat_again_at = now + BEAT_EVERY_S
            self._row.beat(now + BEAT_AHEAD_S)
        may_hold = self._haste.begins(now)
        if self._held and not may_hold:
            self._settle_held(now)
            self._haste.sent(now)
        return may_hold

    def _settle_held(self, now: float) -> None:
        held = self._held
        reactor = self._reactor
        for call in held:
            call.release()
            reactor.settle(call, now)
        held.clear()
