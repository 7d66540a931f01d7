"""What a response may do beyond start and body: early hints, files, trailers. ASGI specification, "Extensions".

Only responses that do so have an `Extras`; a plain one pays for none of this.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from typing import TYPE_CHECKING, Any, Final, Protocol

from hybrid.asgi.types import Message
from hybrid.errors import ClientGone
from hybrid.http1.interim import early_hints
from hybrid.http1.response import Response

if TYPE_CHECKING:
    from hybrid.asgi.cycle import Connection
    from hybrid.asgi.request_cycle import RequestCycle

EARLY_HINT: Final = "http.response.early_hint"
EARLY_HINTS: Final = "http.response.early_hints"
"""A second name of the same."""
PATHSEND: Final = "http.response.pathsend"
ZEROCOPYSEND: Final = "http.response.zerocopysend"
TRAILERS: Final = "http.response.trailers"

ALWAYS: Final = (PATHSEND, ZEROCOPYSEND)
"""What every client can be sent."""
HTTP_1_1: Final = (EARLY_HINT, EARLY_HINTS)
"""What only a client of HTTP/1.1 understands. Trailers go to whoever asks for them by `TE: trailers`."""

READ_SIZE: Final = 256 * 1024
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)


class OutOfOrder(Protocol):
    """Makes the error for a message that may not come now."""

    def __call__(self, kind: Any, /) -> RuntimeError: ...


class Extras:
    """The state of one response that uses extensions."""

    __slots__ = ("_connection", "_cycle", "_fields", "_is_content_over", "_out_of_order", "_response", "has_trailers")

    def __init__(self, cycle: RequestCycle, connection: Connection, out_of_order: OutOfOrder) -> None:
        self._cycle = cycle
        self._connection = connection
        self._response: Response = cycle.response
        self._out_of_order = out_of_order
        self._fields: list[tuple[bytes, bytes]] = []
        self._is_content_over = False
        self.has_trailers = False
        """The start message said that trailers will follow the content."""

    async def send(self, kind: Any, message: Message, *, has_started: bool) -> None:
        """Take a message that is neither start nor body. Raises as `Cycle.send()`, OSError for a file."""
        if self._response.is_complete:
            raise self._out_of_order(kind)
        if kind in (EARLY_HINT, EARLY_HINTS) and not self._response.head_sent:
            self._send_hint(message)
        elif kind == PATHSEND and has_started and not self._is_content_over:
            await self._send_path(message["path"])
        elif kind == ZEROCOPYSEND and has_started and not self._is_content_over:
            await self._send_open_file(message)
        elif kind == TRAILERS and self._is_content_over:
            self._send_trailers(message)
        else:
            raise self._out_of_order(kind)
        await self._drain()

    async def send_content(self, data: bytes, *, more: bool) -> None:
        """Content of a response with trailers: its end is not that of the response."""
        if self._is_content_over:
            raise self._out_of_order("http.response.body")
        self._connection.writelines(self._response.frame(data, more=True))
        self._is_content_over = not more
        await self._drain()

    def _send_hint(self, message: Message) -> None:
        fields: list[tuple[bytes, bytes]] = [(b"link", link) for link in message.get("links", ())]
        fields += [(name, value) for name, value in message.get("headers", ())]
        hints = early_hints(self._cycle.request, fields)
        if hints:
            self._connection.write(hints)

    def _send_trailers(self, message: Message) -> None:
        self._fields += [(name, value) for name, value in message.get("headers", ())]
        if not message.get("more_trailers", False):
            self._connection.complete(self._cycle, self._response.trailers(self._fields))

    async def _send_path(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe would wait for who writes
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            await self._send_file(fd, 0, status.st_size, more=False)
        finally:
            os.close(fd)

    async def _send_open_file(self, message: Message) -> None:
        """The application keeps the file open until this returns; its position is left alone."""
        file = message["file"]
        fd = file if isinstance(file, int) else file.fileno()
        offset = message.get("offset")
        if offset is None:
            offset = os.lseek(fd, 0, os.SEEK_CUR)
        count = message.get("count")
        if offset < 0 or (count is not None and count < 0):
            raise ValueError(f"{ZEROCOPYSEND!r}: offset {offset} and count {count}; neither may be negative")
        size = max(0, os.fstat(fd).st_size - offset)
        await self._send_file(
            fd, offset, size if count is None else min(count, size), more=message.get("more_body", False)
        )

    async def _send_file(self, fd: int, offset: int, count: int, *, more: bool) -> None:
        """A part of a file as content. When it is all of the content, its length is known and said."""
        response, connection = self._response, self._connection
        head = b""
        is_whole = not (more or response.head_sent or self.has_trailers)
        if is_whole:
            # Complete by the book; that the bytes go out is seen to here.
            head, count = response.file(count)
        is_last = not (more or self.has_trailers)
        try:
            if is_whole and count and await connection.send_file(head, fd, offset, count):
                count = 0
            elif is_whole:
                connection.write(head)
            while count > 0:
                data = await _read(connection.loop, fd, min(count, READ_SIZE), offset)
                if not data:
                    raise EOFError("a file became shorter while it was being sent")
                offset += len(data)
                count -= len(data)
                if is_whole:
                    connection.write(data)
                else:
                    connection.writelines(response.frame(data, more=bool(count) or not is_last))
                await asyncio.sleep(0)  # others have their turn, and the loss of the client is noticed
                await self._drain()
        except BaseException:
            if response.head_sent:
                connection.on_broken(self._cycle)
            raise
        if not more and self.has_trailers:
            self._is_content_over = True
            if not response.head_sent:
                connection.write(response.content(b"", more=True))
        elif not more:
            rest = b"" if response.is_complete else response.content(b"", more=False)
            connection.complete(self._cycle, rest)

    async def _drain(self) -> None:
        connection = self._connection
        if not connection.is_writable:
            await connection.drain()
        else:
            await asyncio.sleep(0)  # see BURST in hybrid.asgi.cycle; these are few enough to do without a count
        if self._cycle.is_disconnected:
            raise ClientGone("the client closed the connection")


async def _read(loop: asyncio.AbstractEventLoop, fd: int, size: int, offset: int) -> bytes:
    """A piece of a file: at once if the kernel has it in memory, else in a thread, as a disk may take its time."""
    if _NOWAIT:
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: os.preadv(fd, [buffer], offset, _NOWAIT)])
        except OSError:  # not in memory, or a file system that cannot tell
            pass
    return await loop.run_in_executor(None, os.pread, fd, size, offset)
