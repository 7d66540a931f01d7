"""Waking a loop that waits, from a signal handler or another thread."""

from __future__ import annotations

import os
import sys


class Wakeup:
    """A descriptor that becomes readable by `wake()`. Any thread may wake; many wakes before a `clear()` are one."""

    __slots__ = ("_read", "_write")

    def __init__(self) -> None:
        if sys.platform == "linux":
            self._read = self._write = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)

    def fileno(self) -> int:
        return self._read

    def wake(self) -> None:
        try:
            os.write(
                self._write, b"\1\0\0\0\0\0\0\0"
            )  # eight bytes: to an eventfd they are a number, in either byte order
        except BlockingIOError:  # it is as awake as can be
            pass

    def clear(self) -> None:
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self._read)
        if self._write != self._read:
            os.close(self._write)
