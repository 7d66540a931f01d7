"""Request bodies that wait until they are whole, so that a slow client holds up no thread of the application.

A body stays in memory up to a size, as long as all of them in a worker take no more than `--spool-memory`. What is
beyond goes into a file that has no name, so that it is gone with whoever holds it. All files of a worker together take
no more than `--spool-limit`: a body for which there is no room is given to the application as it comes, as if it were
not spooled. See docs/decisions/012.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from io import FileIO
from typing import TYPE_CHECKING, Final

from hybrid.errors import ProtocolError, SettingsError
from hybrid.settings import Settings
from hybrid.wsgi import Environ, Input
from hybrid_workers.held import HeldUp, Hold
from hybrid_workers.overflow import Overflow

if TYPE_CHECKING:
    from hybrid_workers.connection import Connection

_READ_SIZE: Final = 65536
_SHARE: Final = 16
"""The part of the memory that one body may take, lest a few large ones send all small ones to the disk."""
_LEAST_PIECE: Final = 1024
_MOST: Final = 1 << 62
STREAMED_FROM: Final = 1 << 20
"""Where nobody waits for a thread: what is kept of a body before the application is called and reads the rest as it
comes. Each call under way costs its stack and what the application holds; so many slow clients are not to have one."""


class Spooling:
    """One per worker: whether bodies are spooled, where, and how much of the disk they have."""

    def __init__(self, settings: Settings, log: logging.Logger, *, has_few_threads: bool) -> None:
        """`has_few_threads`: while the application waits for a body, others may have to wait for its thread."""
        self.is_on = settings.spool_bodies != "off"
        self._has_few_threads = has_few_threads
        self._most_each = _MOST if has_few_threads or settings.spool_bodies == "on" else STREAMED_FROM
        self.held_up = HeldUp(log, asks_first=settings.spool_bodies == "on")
        self._readers = HeldUp(log, asks_first=True)
        self._folder = settings.tmp_upload_dir or None
        self._limit = settings.spool_limit or _MOST
        self._memory_limit = settings.spool_memory
        self._memory_each = settings.spool_memory // _SHARE
        self._log = log
        self._used = 0
        self._in_memory = 0
        self._lock = threading.Lock()
        if self.is_on and self._folder is not None and not os.path.isdir(self._folder):
            raise SettingsError(f"tmp_upload_dir: {self._folder} is not a folder; expected one")

    @property
    def used(self) -> int:
        """Bytes in files now."""
        return self._used

    def tell_length(self, environ: Environ, content: bytes, spool: Spool | None) -> None:
        """A chunked body that is whole has a length after all: there are applications that read none without one."""
        if self.is_on:
            environ["CONTENT_LENGTH"] = str(len(content) + (spool.in_memory + spool.on_disk if spool else 0))

    @property
    def in_memory(self) -> int:
        """Bytes that wait in memory now, those aside that connections have not stored yet."""
        return self._in_memory

    def share_threads(self, threads: int, is_wanted: Callable[[], bool]) -> None:
        """Say how many there are for the application, and who knows whether others wait for them."""
        self.held_up.places = max(1, threads // 2)
        self.held_up.is_wanted = self._readers.is_wanted = is_wanted

    def hold_for_reader(self) -> Hold | None:
        """For a client that does not take what the application gives to write(); None: for it alone it waits."""
        return self._readers.read() if self.is_on and self._has_few_threads else None

    def overflow(self) -> Overflow | None:
        """For what such a client does not take; None where there is no file for it."""
        try:
            return Overflow(self._open(), self._has_room, self._count)
        except OSError:  # then the client is waited for, as if there were no room
            return None

    def leaves_asking(self, connection: Connection) -> bool:
        """For a client that waits for 100 Continue: the application is called at once, and asks by its reading."""
        if not (self.is_on and self._has_few_threads):
            return not self.held_up.asks_first
        connection.hold = self.held_up.ask()
        return connection.hold is not None

    def take(self, connection: Connection) -> bool:
        """Move what has come of a body to where it waits. False where there is no room. Raises ProtocolError."""
        spool = self.store(connection.spool, connection.content)
        if spool is None:
            if self.is_on and self._has_few_threads:
                connection.hold = self.held_up.stream()
            return False
        connection.spool = spool
        connection.content = []
        connection.content_size = 0
        return True

    def store(self, spool: Spool | None, content: list[bytes]) -> Spool | None:
        """Add to a spool, a new one for None; None if there is no room: nothing changed. Raises ProtocolError."""
        if not self.is_on:
            return None
        size = sum(map(len, content))
        if size + (spool.in_memory + spool.on_disk if spool is not None else 0) > self._most_each:
            return None
        if spool is None:
            spool = Spool(self._release)
        if not spool.on_disk:
            if spool.in_memory + size <= self._memory_each and self._reserve_memory(size):
                spool.keep(content, size)
                return spool
            size += spool.in_memory
        if not self._reserve(size):
            return None
        spool.on_disk += size
        try:
            spool.write(content, self._open)
        except OSError as error:
            spool.close()
            self._log.error(
                "A request body could not be stored in %s: %s; answering 507. Make room, or name another folder"
                " with --tmp-upload-dir",
                self._folder or tempfile.gettempdir(),
                error.strerror or error,
            )
            raise ProtocolError(507, "the server has no room for the body", "RFC 4918 section 11.5") from error
        if spool.in_memory:
            self._release(spool.in_memory, 0)
            spool.in_memory = 0
        return spool

    def _open(self) -> FileIO:
        return tempfile.TemporaryFile(buffering=0, prefix="hybrid-body-", dir=self._folder)

    def _has_room(self) -> bool:
        return self._used < self._limit

    def _count(self, size: int) -> None:
        with self._lock:
            self._used += size

    def _reserve_memory(self, size: int) -> bool:
        with self._lock:
            if self._in_memory + size > self._memory_limit:
                return False
            self._in_memory += size
            return True

    def _reserve(self, size: int) -> bool:
        with self._lock:
            if self._used + size > self._limit:
                return False
            self._used += size
            return True

    def _release(self, in_memory: int, on_disk: int) -> None:
        with self._lock:
            self._in_memory -= in_memory
            self._used -= on_disk


class Spool:
    """One body: written by the worker, then read by the application, each in one thread."""

    __slots__ = ("_file", "_pieces", "_release", "_tail", "_then", "in_memory", "on_disk")

    def __init__(self, release: Callable[[int, int], None]) -> None:
        """`release` is told how many bytes of memory and of the disk are free again."""
        self.in_memory = 0
        self.on_disk = 0
        """How much of it is counted as being where; the spooling says so."""
        self._pieces: list[bytes] = []
        self._file: FileIO | None = None
        self._release = release
        self._tail = b""
        self._then: Callable[[], bytes] | None = None

    def keep(self, content: list[bytes], size: int) -> None:
        """In memory. A client may send two bytes at a time: an object for each would take many times the memory."""
        if len(content) * _LEAST_PIECE > size:
            content = [b"".join(content)]
        self._pieces += content
        self.in_memory += size

    def write(self, content: list[bytes], open_file: Callable[[], FileIO]) -> None:
        """Behind what was in memory, which goes before it."""
        file = self._file
        if file is None:
            file = self._file = open_file()
        for piece in [*self._pieces, *content]:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
        self._pieces = []

    def input(self, tail: bytes, then: Callable[[], bytes] | None) -> Input:
        """wsgi.input over what is kept, `tail` behind it, and what `then` gives behind that."""
        if self._file is not None:
            self._file.seek(0)
        self._pieces.reverse()
        self._tail = tail
        self._then = then
        return Input(b"", self._pull)

    def close(self) -> None:
        """Give the room back; also when the body has been read, or is not referred to any more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self.in_memory or self.on_disk:
            self._pieces = []
            self._release(self.in_memory, self.on_disk)
            self.in_memory = self.on_disk = 0

    def __del__(self) -> None:
        self.close()

    def _pull(self) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        if self._file is not None:
            data = self._file.read(_READ_SIZE)
            if data:
                return data
        self.close()
        data, self._tail = self._tail, b""
        if data or self._then is None:
            return data
        return self._then()
