"""What an application has given to write() and its client has not taken, where others want the application's thread.

write() may not return before the content is on its way. So a client that reads slowly holds the thread; and unlike
content that an application returns, of which the next piece is just not asked for, it cannot be put aside. While nobody
else wants the thread it waits. Else the content goes into a file without a name, and the application goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from typing import Final

_READ_SIZE: Final = 65536


class Overflow:
    """One per response, and for one thread at a time."""

    __slots__ = ("_count", "_file", "_has_room", "_read", "_written")

    def __init__(self, file: FileIO, has_room: Callable[[], bool], count: Callable[[int], None]) -> None:
        """`file` is closed by us; `count` is told how many bytes of the disk are taken, and freed when negative."""
        self._file = file
        self._has_room = has_room
        self._count = count
        self._read = 0
        self._written = 0

    @property
    def has_room(self) -> bool:
        """More may be added. Who has been told so may go beyond it, by one piece."""
        return self._has_room()

    @property
    def is_empty(self) -> bool:
        return self._read == self._written

    def add(self, data: bytes | memoryview) -> None:
        """Behind all that was added before. Raises OSError; then what is kept ends with what was added before."""
        fd = self._file.fileno()
        rest = memoryview(data)
        at = self._written
        while rest:
            size = os.pwrite(fd, rest, at)
            at += size
            rest = rest[size:]
        self._count(at - self._written)
        self._written = at

    def take(self) -> bytes:
        """What comes next; b"" when there is no more."""
        data = os.pread(self._file.fileno(), min(_READ_SIZE, self._written - self._read), self._read)
        self._read += len(data)
        return data

    def close(self) -> None:
        """May be called again."""
        self._file.close()
        written, self._written = self._written, 0
        self._count(-written)
