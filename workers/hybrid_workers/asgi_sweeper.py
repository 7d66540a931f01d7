"""What an asgi worker does a few times a second instead of keeping a timer per request."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

from hybrid.contract.messages import LoopBlocked
from hybrid.contract.scoreboard import Word
from hybrid_workers.asgi_service import Service
from hybrid_workers.standstill import Standstill
from hybrid_workers.waiting import Waiting, record, record_when_asked, tasks_of
from hybrid_workers.watchdog import Watchdog

INTERVAL_S = 0.1
STANDSTILL_S = 0.5
"""A loop that comes back later than this was blocked, and its clients are given the time back."""


class Sweeper:
    """Walks the connections, stamps the beat, keeps the Date and the logs up to date."""

    def __init__(self, service: Service, black_box: int = -1) -> None:
        self._service = service
        self._black_box = black_box
        self._loop = service.loop
        self._due = 0.0
        self._watchdog: Watchdog | None = None
        self._standstill = Standstill(service, self._record_tasks)
        self._second = 0
        self._peaks = (0.0, 0.0)
        """The largest lag of this second and of the one before."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = monotonic()
        warning = self._service.settings.loop_lag_warning
        if warning:
            self._watchdog = Watchdog(self._service.log, warning, INTERVAL_S, self._tell_blocked)
            self._watchdog.start()
        self._standstill.start()
        if self._black_box >= 0 and threading.current_thread() is threading.main_thread():
            record_when_asked(self._black_box, "asyncio tasks", self._tasks)
        self._sweep()

    def stop(self) -> None:
        self._standstill.stop()
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._service.refresh(monotonic(), is_new_second=False)

    def _tasks(self) -> list[Waiting]:
        return tasks_of(self._loop)

    def _record_tasks(self) -> None:
        """In the thread that has found the loop held for good."""
        if self._black_box >= 0:
            record(self._black_box, "asyncio tasks", self._tasks)

    def _tell_blocked(self, where: str, seconds: float, request: str) -> None:
        """In the watchdog's thread. The channel is the loop's."""
        try:
            self._loop.call_soon_threadsafe(self._service.channel.send, LoopBlocked(where, round(seconds, 3), request))
        except RuntimeError:  # the loop is closed
            pass

    def _sweep(self) -> None:
        now = monotonic()
        if self._watchdog is not None:
            self._watchdog.stamp = now
        lag = now - self._due
        self._due = now + INTERVAL_S
        self._timer = self._loop.call_later(INTERVAL_S, self._sweep)
        service = self._service
        service.row.floats[Word.LOOP_LAG] = max(0.0, lag)
        second = int(now)
        if second != self._second:
            self._peaks = (0.0, self._peaks[0])
        self._peaks = (max(lag, self._peaks[0]), self._peaks[1])
        service.row.floats[Word.LOOP_LAG_PEAK] = max(self._peaks)
        service.refresh(now, is_new_second=second != self._second)
        self._second = second
        if service.crossroads is not None:
            service.crossroads.sweep(now)
        is_late = lag > STANDSTILL_S
        for connection in tuple(service.connections):
            if is_late:
                connection.postpone(lag)
            connection.sweep(now)
