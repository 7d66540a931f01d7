"""The threads that run a WSGI application in a gthread worker, and in an asgi worker.

A thread takes what waits for it alone first (calls it began, which a slow client had parked), then the
oldest new call, and sleeps when there is neither. A call stays with its thread for life, because database
drivers and frameworks keep connections by thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from math import inf
from queue import SimpleQueue
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar

from hybrid.errors import DeadlineExceeded
from hybrid_workers.deadline import Target


class Job(Protocol):
    """A call of the application, as far as threads are concerned."""

    keeper: object
    """The thread that runs it, once one does."""
    is_client_gone: bool
    began: float
    """When a thread took it first; 0 before."""

    def run(self) -> object:
        """Run it, or run it on. Raises nothing but DeadlineExceeded."""

    def abandon(self) -> None:
        """The client has gone while it was parked: let the application clean up. Never raises."""


class _Stop:
    """What ends a thread."""


_STOP: Final = _Stop()


J = TypeVar("J", bound=Job)


class Keeper(threading.Thread, Generic[J]):
    """One thread, and the parked calls that only it may continue."""

    def __init__(self, pool: ThreadPool[J], number: int) -> None:
        super().__init__(name=f"hybrid-app-{number}", daemon=True)
        self.inbox: deque[J] = deque()
        """Guarded by the pool's lock."""
        self.bell: SimpleQueue[J | _Stop] = SimpleQueue()
        """Wakes the thread with its next call; used only while it is among the pool's idle ones."""
        self.target = Target(0)
        self.call_began = inf
        """When it took the call that it is at, or went on with it."""
        self._pool = pool
        self.stand_in: Keeper[J] | None = None
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
                    now = self.call_began = monotonic()
                    if not call.began:
                        call.began = now
                    call.run()
                self.call_began = inf
                target.leave()
            except DeadlineExceeded:  # raised between the application's code and here
                self.call_began = inf
                target.leave()
                call.abandon()
            pool.bring_back(call)


class ThreadPool(Generic[J]):
    """A fixed number of threads. The methods are for the reactor's thread, except `take`."""

    def __init__(self, size: int, bring_back: Callable[[J], None]) -> None:
        """`bring_back` is called in a pool thread with each call that has run, completed or not."""
        self.bring_back = bring_back
        self._lock = threading.Lock()
        self._waiting: deque[J] = deque()
        self._idle: list[Keeper[J]] = []
        self._is_stopped = False
        self._keepers = [Keeper[J](self, number) for number in range(size)]

    def start(self) -> None:
        for keeper in self._keepers:
            keeper.start()

    def submit(self, call: J) -> None:
        """Run a new call in whichever thread is free next; the one that went idle last, if several are."""
        with self._lock:
            if not self._idle:
                self._waiting.append(call)
                return
            keeper = self._idle.pop()
        keeper.bell.put(call)

    def submit_all(self, calls: list[J]) -> None:
        """`submit()` for calls that have come together: all are in place before the first thread wakes."""
        woken = []
        with self._lock:
            for call in calls:
                if self._idle:
                    woken.append((self._idle.pop(), call))
                else:
                    self._waiting.append(call)
        for keeper, call in woken:
            keeper.bell.put(call)

    def resume(self, call: J) -> None:
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

    def is_at_calls_since(self, moment: float) -> bool:
        """Every thread is at a call that it began before this: whoever comes may have to wait for long."""
        return all(keeper.call_began <= moment for keeper in self._keepers)

    def is_short(self) -> bool:
        """Calls wait for a thread."""
        return bool(self._waiting)

    def replace(self, keeper: Keeper[J]) -> None:
        """A thread is stuck in the application: start another for the calls that come."""
        with self._lock:
            stand_in = keeper.stand_in = Keeper[J](self, len(self._keepers))
            self._keepers.append(stand_in)
            stand_in.inbox, keeper.inbox = keeper.inbox, stand_in.inbox
        stand_in.start()

    def take(self, keeper: Keeper[J]) -> J | _Stop | None:
        """The next call for a thread; None when it shall wait for its bell."""
        with self._lock:
            if keeper.inbox:
                return keeper.inbox.popleft()
            if self._waiting:
                return self._waiting.popleft()
            if self._is_stopped:
                return _STOP
            self._idle.append(keeper)
            return None

    def stop(self) -> None:
        """End the threads: those that are idle now, the others when they have nothing left to do."""
        with self._lock:
            self._is_stopped = True
            idle, self._idle = self._idle, []
        for keeper in idle:
            keeper.bell.put(_STOP)
