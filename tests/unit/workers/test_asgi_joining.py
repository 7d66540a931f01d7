"""What becomes of a socket that another worker has read from. Event loop and socket are real, the service is played."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest

from hybrid.asgi import Scopes
from hybrid.contract.queue import Handed, Kind
from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.proxies import ProxyRules
from hybrid.http.request import Request
from hybrid.http1.back_ends import field_parser
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes
from hybrid.settings import Settings
from hybrid_workers import asgi_joining
from hybrid_workers.asgi import new_loop
from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_joining import Joining
from hybrid_workers.asgi_service import Service
from hybrid_workers.stream_socket import StreamSocket

PEER = Peer(("192.0.2.7", 5), ("127.0.0.1", 80))
HEAD = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Told(HttpConnection):
    """Notes what it is told instead of calling an application."""

    made: list[Told] = []
    pauses = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.began: list[tuple[bytes, bool]] = []
        self.made.append(self)

    def _begin(self, request: Request) -> None:
        has_transport = not self.transport.is_closing()
        self.began.append((request.target, has_transport))
        if self.pauses:
            self._pause_reading()


class Worker:
    """The service, and the other end of the connection."""

    def __init__(self, kind: str) -> None:
        self.loop = new_loop(kind)
        limits = Limits()
        self.service: Any = Service.__new__(Service)
        self.service.loop = self.loop
        self.service.context = contextvars.copy_context()
        self.service.log = logging.getLogger("test.joining")
        self.service.parser = HeadParser(field_parser("auto"), limits)
        self.service.limits = limits
        self.service.prefixes = Prefixes()
        self.service.rules = ProxyRules(Settings(), print)
        self.service.scopes = Scopes()
        self.service.turn = None
        self.service.connections = set()
        self.service.on_connection_closed = lambda: None
        self.client, self.ours = socket.socketpair()
        self.client.settimeout(10)
        self.ended = 0

    def join(self, data: bytes, refused: ProtocolError | None = None) -> Told:
        """As far as it goes in a few turns of the loop."""
        handed = Handed(Kind.REQUEST, 1e9, PEER.client, PEER.server, data)
        sock = StreamSocket(fileno=self.ours.detach())
        sock.setblocking(False)

        async def turns() -> None:
            Joining(self.service, sock, PEER, self._end, refused, handed).go_on()
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        return Told.made[-1]

    def turn(self, until: Callable[[], bool]) -> None:
        async def turns() -> None:
            while not until():
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(turns(), 10))

    def _end(self) -> None:
        self.ended += 1

    def close(self) -> None:
        for connection in Told.made:
            connection.transport.abort()
        self.turn(lambda: all(connection.transport.is_closing() for connection in Told.made))
        self.loop.close()
        self.client.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(asgi_joining, "HttpConnection", Told)
    monkeypatch.setattr(Told, "made", [])
    worker = Worker(request.param)
    yield worker
    worker.close()


def test_what_was_read_elsewhere_begins_once(worker: Worker) -> None:
    assert worker.join(HEAD).began == [(b"/x", True)]
    assert worker.ended == 1


def test_what_the_client_sends_after_it_is_read(worker: Worker) -> None:
    connection = worker.join(HEAD[:20])
    assert connection.began == []
    worker.client.send(HEAD[20:])
    worker.turn(lambda: bool(connection.began))
    assert connection.began == [(b"/x", True)]


@pytest.mark.parametrize("name", [b"Upgrade", b"uPGRADE"])
def test_an_upgrade_waits_until_the_transport_reads(worker: Worker, name: bytes, monkeypatch: Any) -> None:
    seen = []
    made = Told.connection_made

    def connection_made(self: Told, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        seen.append(len(self.began))

    monkeypatch.setattr(Told, "connection_made", connection_made)
    connection = worker.join(HEAD[:-2] + name + b": websocket\r\nConnection: upgrade\r\n\r\n")
    assert seen == [0]
    assert len(connection.began) == 1


def test_reading_that_the_first_request_pauses_is_paused(worker: Worker, monkeypatch: Any) -> None:
    monkeypatch.setattr(Told, "pauses", True)
    connection = worker.join(HEAD)
    assert connection.began
    assert not connection.transport.is_reading()


def test_who_is_refused_is_told_so_and_nothing_begins(worker: Worker) -> None:
    connection = worker.join(HEAD, ProtocolError(503, "no worker can take this"))
    assert worker.client.recv(65536).startswith(b"HTTP/1.1 503 ")
    assert not connection.began
