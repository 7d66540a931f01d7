"""Request bodies that wait in a file until they are whole, so that a slow client holds up no thread of the application.

Up to `--body-buffer` bytes stay in memory. What is beyond goes into a file that has no name, so that it is gone with
whoever holds it. All files of a worker together take no more than `--spool-limit`: a body for which there is no
room is given to the application as it comes, as if it were not spooled. See docs/decisions/012.
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
from hybrid.http.deadlines import held_patience
from hybrid.settings import Settings
from hybrid.wsgi import Input

if TYPE_CHECKING:
    from hybrid_workers.connection import Connection

_READ_SIZE: Final = 65536


class Spooling:
    """One per worker: whether bodies are spooled, where, and how much of the disk they have."""

    def __init__(self, settings: Settings, log: logging.Logger, *, by_default: bool) -> None:
        """`by_default`: what `--spool-bodies auto` means for this worker."""
        self.is_on = settings.spool_bodies == "on" or (settings.spool_bodies == "auto" and by_default)
        self.asks_first = settings.spool_bodies == "on"
        """A client that waits for 100 Continue gets it before the application is called, and not by its reading."""
        self._folder = settings.tmp_upload_dir or None
        self._limit = settings.spool_limit or 1 << 62
        self._log = log
        self._used = 0
        self._lock = threading.Lock()
        if self.is_on and self._folder is not None and not os.path.isdir(self._folder):
            raise SettingsError(f"tmp_upload_dir: {self._folder} is not a folder; expected one")

    @property
    def used(self) -> int:
        """Bytes in files now."""
        return self._used

    def take(self, connection: Connection) -> bool:
        """Move what has come of a body into its file. False where there is no room. Raises ProtocolError."""
        spool = self.store(connection.spool, connection.content)
        if spool is None:
            return False
        connection.spool = spool
        connection.content = []
        connection.content_size = 0
        return True

    def store(self, spool: Spool | None, content: list[bytes]) -> Spool | None:
        """Write to the end of a spool, a new one for None; None where there is no room. Raises ProtocolError."""
        size = sum(map(len, content))
        if not self.is_on or not self._reserve(size):
            return None
        try:
            if spool is None:
                spool = Spool(self._open(), self._release)
            spool.write(content, size)
        except OSError as error:
            if spool is None:
                self._release(size)
            else:
                spool.close()
            self._log.error(
                "A request body could not be stored in %s: %s; answering 507. Make room, or name another folder"
                " with --tmp-upload-dir",
                self._folder or tempfile.gettempdir(),
                error.strerror or error,
            )
            raise ProtocolError(507, "the server has no room for the body", "RFC 4918 section 11.5") from error
        return spool

    def patience(self, received: int, waited: float) -> float:
        """How long the application may wait for the next bytes of a body that its reading has asked for."""
        return held_patience(received, waited, is_wary=self.asks_first)

    def was_slow(self) -> None:
        """A client was asked for its body by the application's reading, and held it up."""
        if not self.asks_first:
            self.asks_first = True
            self._log.warning(
                "A client that waited for 100 Continue was slow to send its body while the application waited for it;"
                " from now on this worker asks such clients first, and calls the application when the body is whole"
                " (--spool-bodies)"
            )

    def _open(self) -> FileIO:
        return tempfile.TemporaryFile(buffering=0, prefix="hybrid-body-", dir=self._folder)

    def _reserve(self, size: int) -> bool:
        with self._lock:
            if self._used + size > self._limit:
                return False
            self._used += size
            return True

    def _release(self, size: int) -> None:
        with self._lock:
            self._used -= size


class Spool:
    """One body: written by the worker, then read by the application, each in one thread."""

    __slots__ = ("_file", "_release", "_size", "_tail", "_then")

    def __init__(self, file: FileIO, release: Callable[[int], None]) -> None:
        """`release` is told how many bytes of the disk are free again."""
        self._file: FileIO | None = file
        self._release = release
        self._size = 0
        self._tail = b""
        self._then: Callable[[], bytes] | None = None

    def write(self, content: list[bytes], size: int) -> None:
        file = self._file
        assert file is not None, "it is written before it is read"
        self._size += size
        for piece in content:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]

    def input(self, tail: bytes, then: Callable[[], bytes] | None) -> Input:
        """wsgi.input over the file, `tail` behind it, and what `then` gives behind that."""
        assert self._file is not None, "it is read once"
        self._file.seek(0)
        self._tail = tail
        self._then = then
        return Input(b"", self._pull)

    def close(self) -> None:
        """Give the disk back; also when the body has been read, or is not referred to any more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            self._release(self._size)

    def __del__(self) -> None:
        self.close()

    def _pull(self) -> bytes:
        if self._file is not None:
            data = self._file.read(_READ_SIZE)
            if data:
                return data
            self.close()
        data, self._tail = self._tail, b""
        if data or self._then is None:
            return data
        return self._then()
