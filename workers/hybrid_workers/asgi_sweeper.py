"""What an asgi worker does a few times a second instead of keeping a timer per request."""

from __future__ import annotations

import asyncio
from time import monotonic

from hybrid.contract.scoreboard import Word
from hybrid_workers.asgi_service import Service
from hybrid_workers.watchdog import Watchdog

INTERVAL_S = 0.1
STANDSTILL_S = 0.5
"""A loop that comes back later than this was blocked, and its clients are given the time back."""


class Sweeper:
    """Walks the connections, stamps the beat, keeps the Date and the logs up to date."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = service.loop
        self._due = 0.0
        self._watchdog: Watchdog | None = None
        self._second = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = monotonic()
        warning = self._service.settings.loop_lag_warning
        if warning:
            self._watchdog = Watchdog(self._service.log, warning, INTERVAL_S)
            self._watchdog.start()
        self._sweep()

    def stop(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._service.refresh(monotonic(), is_new_second=False)

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
        service.refresh(now, is_new_second=second != self._second)
        self._second = second
        if service.crossroads is not None:
            service.crossroads.sweep(now)
        is_late = lag > STANDSTILL_S
        for connection in tuple(service.connections):
            if is_late:
                connection.postpone(lag)
            connection.sweep(now)
