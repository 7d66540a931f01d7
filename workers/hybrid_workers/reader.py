"""How fast a client takes what is written to it, when it does not take all at once.

Bytes count when the client's side has them, not when the kernel has them: its buffer may hold megabytes, and says only
now and then that there is room again. So a client that reads slowly but steadily is not taken for one that stalls.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from math import inf
from typing import Final

from hybrid.http.deadlines import Deadlines

_INT: Final = struct.Struct("i")


class Reader:
    """One per response that makes us wait. `flushed`: bytes given to the kernel, counted from any moment."""

    __slots__ = ("_before", "_fd", "_pace", "_since", "_waited", "deadline")

    def __init__(self, deadlines: Deadlines, fd: int) -> None:
        self._pace = deadlines.write_pace()
        self._fd = fd
        self._before: int | None = None
        self._since = 0.0
        self._waited = 0.0
        self.deadline = inf
        """When to ask `is_slow()`; monotonic."""

    def wait(self, now: float, flushed: int) -> float:
        """From now on the client is waited for: the deadline."""
        if self._before is None:
            self._before = flushed - unread(self._fd)
            self.deadline = now + self._pace.patience(0, 0.0)
            self._since = now
        elif not self._since:
            self.deadline = now + self._pace.patience(0, self._waited)
            self._since = now
        return self.deadline

    def go_on(self, now: float) -> None:
        """It is not waited for any more, for a while."""
        self._waited += now - self._since
        self._since = 0.0

    def is_slow(self, now: float, flushed: int) -> bool:
        """The deadline is over: has it taken too little? If not there is a new one."""
        assert self._before is not None, "it has been waited for"
        self._waited += now - self._since
        self._since = now
        patience = self._pace.patience(flushed - unread(self._fd) - self._before, self._waited)
        self.deadline = now + patience
        return patience <= 0

    def postpone(self, seconds: float) -> None:
        """We stood still for so long: the client is not to blame."""
        self._since += seconds
        self.deadline += seconds


def unread(fd: int) -> int:
    """Bytes in the kernel that the client's side has not confirmed; 0 where the system does not tell."""
    try:
        return int(_INT.unpack(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(_INT.size)))[0])
    except (OSError, ValueError):
        return 0
