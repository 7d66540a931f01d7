"""The request deadline where the application runs in the main thread: a second thread looks after it.

The main thread is interrupted by a signal to itself, whose handler raises: that also ends a system call that
waits (sleep, recv, a lock), which an exception set from outside would not reach. The handler raises only
while the application is on the stack, so the worker's own code is never cut in two.
"""

from __future__ import annotations

import _socket
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from math import inf
from types import FrameType
from typing import Final, NamedTuple

from hybrid.contract import WorkerContext
from hybrid.errors import DeadlineExceeded
from hybrid.wsgi.entering import ENTRIES
from hybrid_workers.call import Call
from hybrid_workers.deadline import INTERRUPT, Enforcer
from hybrid_workers.stacks import frames_of, runs_inside

_SOON_S: Final = 0.02


def _start(watch: Callable[[], None]) -> None:
    threading.Thread(target=watch, name="hybrid-deadline", daemon=True).start()


class Threads(NamedTuple):
    """What the guard needs of threads."""

    start: Callable[[Callable[[], None]], object]
    sleep: Callable[[float], object]
    get_ident: Callable[[], int]


class Guard:
    """See `hybrid_workers.deadline.Ender`. Made in the main thread."""

    def __init__(
        self,
        context: WorkerContext,
        current: Callable[[], Call | None],
        *,
        pace: float = inf,
        threads: Threads | None = None,
    ) -> None:
        """`current()` is the call that the main thread is running.

        `pace` is how long not to look at most: inf where a call's time begins when it becomes the current one.
        `threads` are real ones, where `threading` is something else.
        """
        threads = threads or Threads(_start, time.sleep, threading.get_ident)
        self._current = current
        self._pace = pace
        self._sleep = threads.sleep
        self._enforcer = Enforcer(context, self)
        self._main = threads.get_ident()
        self._condemned: Call | None = None
        if self._enforcer.limit < inf:
            if INTERRUPT is not None:
                signal.signal(INTERRUPT, self._on_signal)
            threads.start(self._watch)

    def _watch(self) -> None:
        limit = self._enforcer.limit
        while True:
            call = self._current()
            now = time.monotonic()
            # A call that begins after this look is over its deadline after the next: no look is needed between.
            again = now + limit if call is None else self._enforcer.look(call, now)
            self._sleep(max(_SOON_S, min(limit, again - now, self._pace)))

    def frames(self, call: Call) -> list[FrameType]:
        return frames_of(sys._current_frames().get(self._main)) if self._current() is call else []

    def interrupt(self, call: Call) -> None:
        self._condemned = call
        if INTERRUPT is not None:
            signal.pthread_kill(self._main, INTERRUPT)

    def give_up(self, call: Call) -> None:
        page = call.exchange.fail(DeadlineExceeded())
        if page is None or self._current() is not call:
            return
        sock = call.connection.socket
        if self._pace < inf and not isinstance(sock, _socket.socket):  # TLS there is the hub's
            return
        try:
            sock.send(page)
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone, or has left no room for a page: then it is cut off
            pass

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        call = self._condemned
        if call is not None and call is self._current() and runs_inside(frame, ENTRIES):
            self._condemned = None
            raise DeadlineExceeded
