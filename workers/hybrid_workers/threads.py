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
from time import monotonic
from typing import Final

from hybrid.errors import DeadlineExceeded
from hybrid_workers.call import Call
from hybrid_workers.deadline import Target


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
        self.target = Target(0)
        self._pool = pool
        self.stand_in: Keeper | None = None
        """What has taken its place: it ends after the call that it cannot leave. Guarded by the pool's lock."""

    def run(self) -> None:
        pool = self._pool
        target = self.target
        target.ident = threading.get_ident()
        while self.stand_in is None:
            call = pool.take(self) or self.bell.get()
            if isinstance(call, _Stop):
                return
            call.keeper = self
            target.work = call
            try:
                if call.is_client_gone:
                    call.abandon()
                else:
                    if not call.began:
                        call.began = monotonic()
                    call.run()
                target.leave()
            except DeadlineExceeded:  # raised between the application's code and here
                target.leave()
                call.abandon()
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
            while keeper.stand_in is not None:
                keeper = keeper.stand_in
            if keeper not in self._idle:
                keeper.inbox.append(call)
                return
            self._idle.remove(keeper)
        keeper.bell.put(call)

    def replace(self, keeper: Keeper) -> None:
        """A thread is stuck in the application: start another for the calls that come."""
        with self._lock:
            stand_in = keeper.stand_in = Keeper(self, len(self._keepers))
            self._keepers.append(stand_in)
            stand_in.inbox, keeper.inbox = keeper.inbox, stand_in.inbox
        stand_in.start()

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
