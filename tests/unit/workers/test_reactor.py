"""How much of a body the reactor reads at a time."""

from __future__ import annotations

import socket
from typing import Any, cast

import pytest

from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.receiver import Receiver
from hybrid_workers.connection import READ_SIZE, Connection, Phase
from hybrid_workers.reactor import BODY_READ_SIZE, BODY_READS, Reactor
from hybrid_workers.wsgi_service import WsgiService


class Client:
    """Has sent `data`, and sends no more."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[int] = []

    def fileno(self) -> int:
        return -1

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, size: int) -> bytes:
        self.asked.append(size)
        if not self.data:
            raise BlockingIOError
        data, self.data = self.data[:size], self.data[size:]
        return data


def head(framing: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"


def counted(length: int) -> bytes:
    return head(b"Content-Length: %d" % length)


class Bench:
    """A reactor with one connection and nothing around it."""

    def __init__(self, data: bytes) -> None:
        self.client = Client(data)
        receiver = Receiver(HeadParser(HttptoolsFields(), Limits()), Limits())
        self.connection = Connection(cast(socket.socket, self.client), Peer(None, ("", None)), receiver, Deadlines())
        self.started: list[bytes] = []
        self.refused: list[int] = []
        self.reactor: Any = Reactor.__new__(Reactor)
        self.reactor._now = 1.0
        service: Any = WsgiService.__new__(WsgiService)
        service.body_buffer = 1 << 40
        self.reactor._service = service
        self.reactor._start = lambda connection: self.started.append(b"".join(connection.content))
        self.reactor._refuse = lambda _, error: self.refused.append(error.status)

    def event(self) -> None:
        """Its socket is readable."""
        if self.connection.phase is Phase.BODY:
            self.reactor._read_body(self.connection)
            return
        request = self.connection.receiver.next_request(self.connection.recv(READ_SIZE))
        assert request is not None
        self.reactor._begin_body(self.connection, request)


def test_body_that_has_come_is_read_at_once() -> None:
    body = b"x" * (BODY_READ_SIZE + 1000)
    bench = Bench(counted(len(body)) + body)
    bench.event()
    assert bench.started == [body]


def test_one_client_has_no_more_than_its_turn() -> None:
    size = BODY_READ_SIZE * BODY_READS
    bench = Bench(counted(3 * size) + b"x" * 3 * size)
    bench.event()
    assert len(bench.client.asked) == 1 + BODY_READS
    assert bench.started == []
    bench.event()
    assert len(bench.client.asked) == 1 + 2 * BODY_READS


def test_client_that_has_sent_no_more_yet_is_not_asked_again() -> None:
    bench = Bench(counted(1 << 20) + b"x" * 1000)
    bench.event()
    assert len(bench.client.asked) == 1
    bench.client.data = b"x" * 1000
    bench.event()
    assert len(bench.client.asked) == 2
    assert bench.refused == []


@pytest.mark.parametrize("length", [READ_SIZE, BODY_READ_SIZE, 2 * BODY_READ_SIZE + 77])
def test_nothing_behind_a_counted_body_is_read_with_it(length: int) -> None:
    following = counted(5) + b"abcde"
    bench = Bench(counted(length) + b"x" * length + following)
    bench.event()
    assert bench.started == [b"x" * length]
    assert bench.client.data == following


def test_chunked_body_is_read_at_once_and_what_follows_is_kept() -> None:
    body = b"y" * (BODY_READ_SIZE * 2)
    bench = Bench(head(b"Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\nNEXT" % (len(body), body))
    bench.event()
    assert bench.started == [body]
    assert bench.connection.receiver.buffer == b"NEXT"


def test_body_that_breaks_its_framing_is_read_no_further() -> None:
    bench = Bench(head(b"Transfer-Encoding: chunked") + b"5\r\nabcdeX" + b"x" * BODY_READ_SIZE * 3)
    bench.event()
    assert bench.refused == [400]
    assert len(bench.client.asked) == 1
