"""A file as the content of a response, from the kernel's memory to the socket without a copy of ours.

The transport owns the socket and would not let the loop watch it, so a duplicate of the descriptor is written to and
watched: while the transport has nothing to write, and nothing writes to it, as the response under way is this one.
A 1 MB file costs half of what reading and writing it does.

A disk may take its time. So before a piece is sent, the kernel is asked whether it has it in memory, by reading
the last byte of it; if it has not, the piece is read in a thread first.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from hybrid.errors import ClientGone

if TYPE_CHECKING:
    from hybrid_workers.asgi_connection import HttpConnection

PIECE: Final = 512 * 1024
"""After so many bytes at the most, others have their turn."""
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
_MORE: Final[int] = getattr(socket, "MSG_MORE", 0)
_NOT_LIKE_THIS: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
IS_POSSIBLE: Final = bool(_NOWAIT) and hasattr(os, "sendfile")


async def send_file(connection: HttpConnection, head: bytes, fd: int, offset: int, count: int) -> bool:
    """Send a head and, behind it, a part of a file. False, with nothing done: not on this connection.

    Raises ClientGone, EOFError when the file is shorter, OSError when it cannot be read.
    """
    transport = connection.transport
    own = transport.get_extra_info("socket")
    if not IS_POSSIBLE or own is None or transport.get_extra_info("ssl_object") is not None:
        return False
    if transport.is_closing():
        return False  # its socket may be closed before anybody is told; what is written to it is dropped
    connection.flush()
    if transport.get_write_buffer_size():
        return False
    connection.file_left = count
    out = socket.socket(fileno=os.dup(own.fileno()))
    try:
        out.setblocking(False)
        await _send_head(connection, out, head)
        await _send_content(connection, out, fd, offset, count)
    except (BrokenPipeError, ConnectionError) as error:
        raise ClientGone("the client closed the connection") from error
    finally:
        connection.file_left = 0
        out.close()
    return True


async def _send_head(connection: HttpConnection, out: socket.socket, head: bytes) -> None:
    while head:
        try:
            head = head[out.send(head, _MORE) :]
        except BlockingIOError:
            await _writable(connection, out)


async def _send_content(connection: HttpConnection, out: socket.socket, fd: int, offset: int, count: int) -> None:
    number = out.fileno()
    while count:
        size = min(count, PIECE)
        if not _is_in_memory(fd, offset + size - 1):
            await connection.loop.run_in_executor(None, os.pread, fd, size, offset)
        try:
            sent = os.sendfile(number, fd, offset, size)
        except BlockingIOError:
            await _writable(connection, out)
            continue
        except OSError as error:
            if error.errno not in _NOT_LIKE_THIS:
                raise
            await _copy(connection, out, fd, offset, size)
            sent = size
        if not sent:
            raise EOFError("a file became shorter while it was being sent")
        offset += sent
        count -= sent
        connection.file_left = count
        if count and sent == size:
            await asyncio.sleep(0)  # it could go on like this for the whole file
            _check(connection)


async def _copy(connection: HttpConnection, out: socket.socket, fd: int, offset: int, size: int) -> None:
    """The long way, for a file system without the short one."""
    data = await connection.loop.run_in_executor(None, os.pread, fd, size, offset)
    if len(data) < size:
        raise EOFError("a file became shorter while it was being sent")
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[out.send(rest) :]
        except BlockingIOError:
            await _writable(connection, out)


def _is_in_memory(fd: int, offset: int) -> bool:
    try:
        os.preadv(fd, [bytearray(1)], offset, _NOWAIT)
    except OSError:  # it has not, or a file system that cannot tell
        return False
    return True


async def _writable(connection: HttpConnection, out: socket.socket) -> None:
    """Until the client has made room. Raises ClientGone when it has gone instead."""
    loop = connection.loop
    connection.is_writable = False
    loop.add_writer(out, connection.resume_writing)
    try:
        await connection.drain()
    finally:
        loop.remove_writer(out)
        connection.is_writable = True
    _check(connection)


def _check(connection: HttpConnection) -> None:
    if connection.cycle is None or connection.transport.is_closing():
        raise ClientGone("the client closed the connection")
