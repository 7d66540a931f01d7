"""What event loops need to know of a socket."""

from __future__ import annotations

import asyncio
import socket

import pytest

from hybrid_workers.asgi import new_loop
from hybrid_workers.stream_socket import StreamSocket


def test_family_and_type_are_numbers() -> None:
    ours, theirs = socket.socketpair()
    with theirs, StreamSocket(fileno=ours.detach()) as sock:
        assert type(sock.family) is int
        assert type(sock.type) is int
        assert (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_an_event_loop_makes_a_transport_of_it(kind: str) -> None:
    async def join() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        sock = StreamSocket(fileno=ours.detach())
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, sock)
        transport.write(b"hello")
        assert await loop.sock_recv(theirs, 5) == b"hello"
        transport.close()
        with theirs:
            assert await asyncio.wait_for(loop.sock_recv(theirs, 1), 10) == b""

    loop = new_loop(kind)
    try:
        loop.run_until_complete(join())
    finally:
        loop.close()
