"""wsgi.file_wrapper: a file as a response, sent by the kernel where it can be. PEP 3333."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class FilePart(NamedTuple):
    """What is left to send of a regular file. The descriptor belongs to the application's file object."""

    fd: int
    offset: int
    size: int


class FileWrapper:
    """Iterates over the blocks of a file-like object; or, returned as it is to the server, is sent as a file."""

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


def blocks(wrapper: FileWrapper, headers: Iterable[tuple[str, str]], sent: int) -> Iterator[bytes]:
    """What is read of the file: to its end, or as much as Content-Length says, of which `sent` bytes are out."""
    for name, value in headers:
        if name.lower() == "content-length" and value.isdecimal():
            return _bounded(wrapper, int(value) - sent)
    return iter(wrapper)


def _bounded(wrapper: FileWrapper, size: int) -> Iterator[bytes]:
    while size > 0 and (block := wrapper.filelike.read(min(size, wrapper.block_size))):
        size -= len(block)
        yield block


def file_part(wrapper: FileWrapper) -> FilePart | None:
    """From where the file stands to its end; None if what it reads is not simply what the descriptor holds.

    Having a fileno() does not say so: a GzipFile has one. So only the plain file types of io are taken,
    and the wrapper around one that tempfile makes.
    """
    file = wrapper.filelike
    if type(file) is tempfile._TemporaryFileWrapper:
        file = file.file
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO:
        return None
    try:
        offset = file.tell()
        status = os.fstat(raw.fileno())
    except (OSError, ValueError):  # a pipe cannot tell; a closed file is for its read() to complain about
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FilePart(raw.fileno(), offset, max(0, status.st_size - offset))
