"""The threads that run the application in a gthread worker.

A thread takes what waits for it alone first (calls it began, which a slow client had parked), then the
oldest new call, and sleeps when there is neither. A call stays with its thread for life, because database
drivers and frameworks keep connections by thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from hybrid_workers.call import Call


class _Stop:
    """What ends a thread."""


_STOP: Final = _Stop()


class Keeper(threading.Thread):
    """One thread, and the parked calls that only it may continue."""

    def __init__(self, pool: ThreadPool, number: int) -> None:
        super().__init__(name=f"hybrid-app-{number}", daemon=True)
        self.inbox: deque[Call] = deque()
        """Guarded by the pool's lock."""
        self.bell: SimpleQueue[Call | _Stop] = SimpleQueue()
        """Wakes the thread with its next call; used only while it is among the pool's idle ones."""
        self._pool = pool

    def run(self) -> None:
        pool = self._pool
        while True:
            call = pool.take(self) or self.bell.get()
            if isinstance(call, _Stop):
                return
            call.keeper = self
            if call.is_client_gone:
                call.abandon()
            else:
                call.run()
            pool.bring_back(call)


class ThreadPool:
    """A fixed number of threads. The methods are for the reactor's thread, except `take`."""

    def __init__(self, size: int, bring_back: Callable[[Call], None]) -> None:
        """`bring_back` is called in a pool thread with each call that has run, completed or not."""
        self.bring_back = bring_back
        self._lock = threading.Lock()
        self._waiting: deque[Call] = deque()
        self._idle: list[Keeper] = []
        self._keepers = [Keeper(self, number) for number in range(size)]

    def start(self) -> None:
        for keeper in self._keepers:
            keeper.start()

    def submit(self, call: Call) -> None:
        """Run a new call in whichever thread is free next; the one that went idle last, if several are."""
        with self._lock:
            if not self._idle:
                self._waiting.append(call)
                return
            keeper = self._idle.pop()
        keeper.bell.put(call)

    def resume(self, call: Call) -> None:
        """Run a parked call on, in its own thread."""
        keeper = call.keeper
        assert isinstance(keeper, Keeper), "a call that has run has its thread"
        with self._lock:
            if keeper not in self._idle:
                keeper.inbox.append(call)
                return
            self._idle.remove(keeper)
        keeper.bell.put(call)

    def take(self, keeper: Keeper) -> Call | None:
        """The next call for a thread; None when it shall wait for its bell."""
        with self._lock:
            if keeper.inbox:
                return keeper.inbox.popleft()
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(keeper)
            return None

    def stop(self) -> None:
        """End the threads that are idle; those in the application end with the process."""
        with self._lock:
            idle, self._idle = self._idle, []
        for keeper in idle:
            keeper.bell.put(_STOP)
