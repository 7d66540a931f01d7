"""Files from the kernel's memory to the socket, on connections of both event loops, without a server around them."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hybrid.errors import ClientGone
from hybrid_workers import asgi_sendfile
from hybrid_workers.asgi_sendfile import send_file

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
SIZE = 3_000_000
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Connected(asyncio.Protocol):
    """As much of a connection as sending a file needs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_writable = True
        self.file_left = 0
        self.most_left = 0
        self.cycle: object | None = object()
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.cycle = None
        self._changed.set()

    def flush(self) -> None: ...

    def resume_writing(self) -> None:
        self.is_writable = True
        self._changed.set()

    async def drain(self) -> None:
        self.most_left = max(self.most_left, self.file_left)
        await self._changed.wait()
        self._changed.clear()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def sent(new_loop: Any, fd: int, *, count: int = SIZE, reads: bool = True) -> tuple[bytes, Connected]:
    """What the client gets of such a response; or, if it does not read, what it makes of that is raised."""

    async def talk() -> tuple[bytes, Connected]:
        loop = asyncio.get_running_loop()
        ours, client = socket.socketpair()
        client.setblocking(False)
        _, connection = await loop.connect_accepted_socket(lambda: Connected(loop), ours)
        sending = loop.create_task(send_file(connection, HEAD, fd, 10, count))  # type: ignore[arg-type]
        got = b""
        with client:
            while reads and len(got) < len(HEAD) + min(count, SIZE - 10):
                got += await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 10)
            if not reads:
                await loop.sock_recv(client, 1000)
        try:
            assert await asyncio.wait_for(sending, 10)
        finally:
            connection.transport.abort()
            await asyncio.sleep(0)
        return got, connection

    loop = new_loop()
    try:
        done: tuple[bytes, Connected] = loop.run_until_complete(talk())
        return done
    finally:
        loop.close()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_client_gets_the_head_and_all_of_the_part(new_loop: Any, file: int) -> None:
    got, connection = sent(new_loop, file, count=100_000)
    assert HEAD + os.pread(file, 100_000, 10) == got
    assert connection.file_left == 0


@pytest.mark.parametrize("new_loop", LOOPS)
def test_client_that_leaves_meanwhile_is_gone(new_loop: Any, file: int) -> None:
    with pytest.raises(ClientGone):
        sent(new_loop, file, count=SIZE - 10, reads=False)


def test_file_that_became_shorter_is_an_error(file: int) -> None:
    with pytest.raises(EOFError):
        sent(LOOPS[0], file, count=SIZE + 1_000_000)


def test_file_system_that_cannot_do_it_is_read(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EINVAL, "not on this file system")

    monkeypatch.setattr(asgi_sendfile.os, "sendfile", refuse)
    got, _ = sent(LOOPS[0], file, count=100_000)
    assert HEAD + os.pread(file, 100_000, 10) == got


def test_file_that_is_not_in_memory_is_fetched_first(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_sendfile, "_is_in_memory", lambda fd, offset: False)
    got, _ = sent(LOOPS[0], file, count=100_000)
    assert HEAD + os.pread(file, 100_000, 10) == got
