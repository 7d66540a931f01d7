"""The limit of a body, and the deadlines that a byte now and then must not stretch, on every worker class."""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.workers import WORKERS, serving
from tests.integration.server import Server, read_to_end

OPTIONS = (
    "--limit-request-body", "100", "--header-timeout", "0.6", "--body-timeout", "0.5", "--body-min-rate", "1000",
)  # fmt: skip
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=WORKERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(request.param, "tests.conformance.echo", *OPTIONS) as running:
        yield running


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answers)]


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 100\r\n\r\n" + b"x" * 100,
        CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
        CHUNKED + (b"32\r\n" + b"x" * 50 + b"\r\n") * 2 + b"0\r\n\r\n",
    ],
    ids=["content-length", "one chunk", "two chunks"],
)
def test_the_longest_body_is_taken(server: Server, request_: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(request_ + LAST)
        answers = read_to_end(connection)
    assert statuses(answers) == [200, 200]
    _, _, rest = answers.partition(b"\r\n\r\n")
    report, _ = json.JSONDecoder().raw_decode(rest.decode())
    assert report["body"] == "x" * 100


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 101\r\n\r\n" + b"x" * 101,
        POST + b"Content-Length: 101\r\nExpect: 100-continue\r\n\r\n",
        CHUNKED + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n",
        CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n1\r\nx\r\n0\r\n\r\n",
    ],
    ids=["content-length", "expected", "one chunk", "two chunks"],
)
def test_a_longer_body_is_413_and_nothing_after_it_is_read(server: Server, request_: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(request_ + LAST)
        assert statuses(read_to_end(connection)) == [413]


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"", b"G"),
        (b"\r\n", b"G"),
        (POST, b"x"),
        (POST + b"X: ", b"x"),
        (POST + b"Content-Length: 90\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"0\r\nX: ", b"x"),
    ],
    ids=["request line", "empty line", "name", "value", "body", "chunks", "extension", "trailer"],
)
def test_a_byte_now_and_then_stretches_no_deadline(server: Server, before: bytes, drop: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(before or drop)
        _drip_until_answered(connection, drop)
        assert statuses(read_to_end(connection)) == [408]


def _drip_until_answered(connection: socket.socket, drop: bytes) -> None:
    """Far fewer drops than the request could take, each well within what silence is allowed."""
    every_s = 0.05
    for _ in range(85):
        readable, _, _ = select.select([connection], [], [], every_s)
        if readable:
            return
        connection.sendall(drop)
    raise AssertionError(f"no answer within {85 * every_s:g} s")
