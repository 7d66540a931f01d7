"""What a busy worker does for the clients that it keeps waiting: it leaves them to a sibling that is idle.

A kept-alive connection belongs to the worker that once accepted it, and its next request may come while that one is at
a slow request of somebody else. gthread sees that itself, as its reactor goes on. The sync worker's does not: there a
thread looks after it, which is asleep as long as calls are short.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing

_READY: Final = 2
"""See hybrid_workers.child.Stage."""
_SILENT_S: Final = 1.0
_ROLL_CALL_S: Final = 0.1
"""How often it is looked who the siblings are: that goes through a thousand slots, and costs as much as a request."""
LOOK_S: Final = 0.01
"""How often the thread looks while there are requests, and what a call may last before others need not wait for it."""
IDLE_LOOKS: Final = 20
"""After so many looks at a worker without requests the thread sleeps until there is one."""


class Siblings:
    """The other workers of the pool, as the scoreboard has them."""

    def __init__(self, context: WorkerContext, crossing: Crossing) -> None:
        self._slot = context.slot
        self._row = context.row
        self._queue = crossing.own
        self._rows: dict[int, tuple[memoryview[int], memoryview[float]]] = {}
        self._slots: list[int] = []
        self._look_at = 0.0

    def have_room(self, now: float) -> bool:
        """One is ready, alive and not busy."""
        return any(words[Word.ACTIVE] < words[Word.CAPACITY] for words in self._alive(now))

    def are_alive(self, now: float) -> bool:
        """One is ready and alive."""
        return any(True for _ in self._alive(now))

    def _alive(self, now: float) -> Iterator[memoryview[int]]:
        if now >= self._look_at:
            self._look_at = now + _ROLL_CALL_S
            self._slots = [slot for slot in self._queue.receivers() if slot != self._slot]
        for slot in self._slots:
            if slot not in self._rows:
                row = self._row.neighbour(slot)
                self._rows[slot] = (row.words, row.floats)
            words, floats = self._rows[slot]
            if words[Word.STAGE] == _READY and floats[Word.BEAT] > now - _SILENT_S:
                yield words


class Relief:
    """The thread of a sync worker. The lock is the worker's while it works on connections, and nobody's in a call."""

    def __init__(self, since: Callable[[], float], give: Callable[[float], None]) -> None:
        """`since()` is when the call under way began, 0 if there is none. `give(now)` is called under the lock."""
        self.lock = threading.Lock()
        self.is_asleep = False
        """Set when it waits for `wake()`: the worker looks at this with each request."""
        self._since = since
        self._give = give
        self._bell = threading.Semaphore(0)
        self._pid = 0

    def start(self) -> None:
        """In the process that serves. The caller holds the lock from now on, but for its calls."""
        self.lock.acquire()
        self._pid = os.getpid()
        threading.Thread(target=self._watch, name="hybrid-relief", daemon=True).start()

    def wake(self) -> None:
        """A request has come."""
        self.is_asleep = False
        self._bell.release()

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(LOOK_S)
            since = self._since()
            if since:
                idle = 0
                now = time.monotonic()
                if now - since >= LOOK_S and self.lock.acquire(blocking=False):
                    try:
                        if self._since():
                            self._give(now)
                    finally:
                        self.lock.release()
            else:
                idle += 1
                if idle >= IDLE_LOOKS:
                    self.is_asleep = True
                    self._bell.acquire()
                    idle = 0
