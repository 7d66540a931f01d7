"""Who blocks the event loop: a thread that looks at the loop's stack while the loop is late.

The sweeper stamps `stamp` some ten times a second. When a stamp is overdue by more than `--loop-lag-warning`, the
thread takes two looks: if the same call from the loop is under way in both, something in it blocks, and its line is
logged at once. A loop that is only busy has gone on to other callbacks by then.

When the thread itself came late, the machine or the process stood still, or C code held the interpreter's lock:
then nothing is said, for nobody can know what the loop did meanwhile.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

from hybrid_workers.stacks import application_frames, frames_of, root_of, site
from hybrid_workers.standstill import cycle_of

REPORT_S: Final = 60.0
"""How often a site that has been named is counted in the log again."""
_MOST_SITES: Final = 200


@dataclass(slots=True)
class _Site:
    count: int = 0
    seconds: float = 0.0
    told_at: float = 0.0
    told_count: int = 0


class Sites:
    """What was said of which line, so that a busy one does not fill the log. Pure."""

    def __init__(self) -> None:
        self._sites: dict[str, _Site] = {}

    def is_news(self, where: str, now: float) -> bool:
        """Whether a block that has just been noticed is to be logged in full."""
        site = self._sites.get(where)
        if site is None:
            if len(self._sites) >= _MOST_SITES:
                self._sites.clear()
            site = self._sites[where] = _Site(told_at=now)
            site.count = site.told_count = 1
            return True
        site.count += 1
        return False

    def ended(self, where: str, seconds: float, now: float) -> str:
        """What to log when it is over, "" for nothing."""
        site = self._sites.get(where)
        if site is None:
            return ""
        site.seconds += seconds
        new = site.count - site.told_count
        if not new or now - site.told_at < REPORT_S:
            return ""
        site.told_at, site.told_count = now, site.count
        return f"Event loop: blocked again {new} times at {where}; {site.count} times and {site.seconds:.1f} s in all"


class Watchdog:
    """One per worker. `stamp` is written by the loop, monotonic seconds."""

    def __init__(
        self,
        log: logging.Logger,
        warning_s: float,
        interval_s: float,
        on_block: Callable[[str, float, str], None] | None = None,
    ) -> None:
        """Watches the thread that makes it. `interval_s` is how often the loop stamps.

        `on_block` is told each block when it is over, in a thread: the line, the seconds, the request.
        """
        self._on_block = on_block
        self.stamp = time.monotonic()
        self._log = log
        self._warning = warning_s
        self._interval = interval_s
        self._loop_thread = threading.get_ident()
        self._sites = Sites()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hybrid-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def _run(self) -> None:
        forgiven = 0.0
        pause = min(self._interval, self._warning / 2)
        slept_at = time.monotonic()
        while not self._end.wait(pause):
            now = time.monotonic()
            if now - slept_at > pause + self._warning / 2:
                forgiven = now
            elif now - max(self.stamp, forgiven) > self._interval + self._warning:
                self._look(self.stamp)
            slept_at = time.monotonic()

    def _look(self, stamp: float) -> None:
        """The loop is late: who holds it, until it is free again."""
        first = self._frames()
        if not first or self._end.wait(self._warning / 4) or self.stamp != stamp:
            return
        frames = self._frames()
        root = root_of(frames)
        if root is None or root is not root_of(first):
            return
        inside = application_frames(frames)
        where = site(inside)
        request = _route(frames)
        if self._sites.is_news(where, time.monotonic()):
            serving = f", serving {request}" if request else ""
            self._log.warning("Event loop: blocked for %.2f s so far at %s%s", time.monotonic() - stamp, where, serving)
        del first, frames, inside, root
        while self.stamp == stamp and not self._end.wait(self._interval):
            pass
        if self._on_block is not None and self.stamp != stamp:
            self._on_block(where, max(0.0, self.stamp - stamp - self._interval), request)
        text = self._sites.ended(where, self.stamp - stamp, time.monotonic())
        if text:
            self._log.warning("%s", text)

    def _frames(self) -> list[FrameType]:
        return frames_of(sys._current_frames().get(self._loop_thread))


def _route(frames: Sequence[FrameType]) -> str:
    """The request that is being served on this stack; "" if a task of the application's own is."""
    cycle = cycle_of(frames)
    if cycle is None:
        return ""
    request = cycle.request
    return f"{request.method} {request.target.decode('latin-1')[:400]}"
