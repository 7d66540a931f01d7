"""Waiting: for signals, for readable descriptors, for the next wakeup. The arbiter's only blocking call is here.

Signal handlers do nothing; the interpreter writes the number of each signal to a socketpair (the wakeup fd)
and that is what wakes us. So there is one queue for everything, in order, and nothing runs between two
bytecodes of a decision. A queue that overflows loses numbers, never the wakeup, and whoever calls `wait`
reaps children on every wakeup, so a lost SIGCHLD costs nothing.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from hybrid.arbiter.unpatched import DefaultSelector, handle_signal

COMMANDS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)


class Woken(NamedTuple):
    """What one wait brought."""

    signals: tuple[int, ...] = ()
    readable: tuple[Callable[[], None], ...] = ()
    """The callbacks of the descriptors that became readable."""
    late_s: float = 0.0
    """How much later than asked for it ended."""


class Loop:
    """One per process, made on the main thread. `close()` it in a forked child, before anything else."""

    def __init__(self) -> None:
        self._selector = DefaultSelector()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._selector.register(self._ours, selectors.EVENT_READ)
        for number in COMMANDS:
            handle_signal(number, _noted)
        signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Have `wait` hand out this callback while the descriptor is readable."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def is_watched(self, fd: int) -> bool:
        return fd in self._selector.get_map()

    def watch_room(self, fd: int, is_wanted: bool) -> None:
        """Hand out the callback of a watched descriptor also while it takes bytes, or no longer. Cheap to repeat."""
        try:
            key = self._selector.get_key(fd)
        except KeyError:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_wanted else 0)
        if events != key.events:
            self._selector.modify(fd, events, key.data)

    def forget(self, fd: int) -> None:
        """The opposite; before the descriptor is closed. A no-op for one that is not watched."""
        try:
            self._selector.unregister(fd)
        except KeyError:
            pass

    def wait(self, until: float | None) -> Woken:
        """Block until a signal, a readable descriptor, or the monotonic time `until`."""
        timeout = None if until is None else max(0.0, until - time.monotonic())
        signals: tuple[int, ...] = ()
        readable = []
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._ours:
                signals = self._read_signals()
            else:
                readable.append(key.data)
        late_s = 0.0 if until is None else max(0.0, time.monotonic() - until)
        return Woken(signals, tuple(readable), late_s)

    def _read_signals(self) -> tuple[int, ...]:
        try:
            return tuple(self._ours.recv(4096))
        except BlockingIOError:
            return ()

    def close(self) -> None:
        """Give back the descriptors and the wakeup. The handlers stay: whoever goes on sets their own."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._ours.close()
        self._theirs.close()


def _noted(number: int, frame: object) -> None:
    """The wakeup fd has it already."""
