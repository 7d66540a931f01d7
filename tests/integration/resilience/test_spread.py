"""A request goes to a worker that can begin with it, a connection that stays to one that has few of them."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server

HERE = Path(__file__).parent
ONE_AT_ONCE = {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "1")}
KEPT = {
    "sync": ("slow_app:wsgi_app", "-k", "sync"),
    "gthread": ("slow_app:wsgi_app", "-k", "gthread", "--threads", "4"),
    "gevent": ("slow_app:wsgi_app", "-k", "gevent"),
    "asgi": ("slow_app:asgi_app", "-k", "asgi"),
    "asgi-asyncio": ("slow_app:asgi_app", "-k", "asgi", "--loop", "asyncio"),
}
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def collide(server: Server, seconds: float, times: int) -> None:
    """Two requests at once, again and again: each of the two workers must have one."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(times):
            pids = [answer.body for answer in pool.map(server.get, [f"/nap?{seconds:g}"] * 2)]
            assert len(set(pids)) == 2


@pytest.mark.parametrize("kind", ONE_AT_ONCE)
def test_two_requests_at_once_never_meet_in_one_of_two_workers(serve: Serve, kind: str) -> None:
    server = serve("slow_app:wsgi_app", *ONE_AT_ONCE[kind], "-w", "2", folder=HERE)
    server.wait_ready(2)
    collide(server, 0.15, 25)


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for client in opened:
        client.close()


def assert_even(
    server: Server, clients: list[socket.socket], seconds: float, request: bytes, count: int = 120
) -> Counter[int]:
    """Open connections that stay until no worker of the four has clearly more than its share; how many each has."""
    workers: Counter[int] = Counter()
    most = 4 * count
    open_all(server, clients, workers, count, seconds, request)
    # Where a busy machine lets one worker run alone for a while it takes what comes: then the next go to the others.
    while max(workers.values()) > 1.3 * count / 4:
        assert count < most, workers
        open_all(server, clients, workers, 12, seconds / 10, request)
        count += 12
    assert sum(workers.values()) == count
    return workers


def open_all(
    server: Server, clients: list[socket.socket], workers: Counter[int], count: int, seconds: float, request: bytes
) -> None:
    """Open connections that stay, evenly over the time, and count who has them."""
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * seconds / count - time.monotonic()))  # the pace is what is tested
        client = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
        clients.append(client)
        client.sendall(request)
        answer = b""
        while not answer.endswith(b";"):
            data = client.recv(65536)
            assert data, answer
            answer += data
        workers[int(answer.rpartition(b"pid=")[2][:-1])] += 1


@pytest.mark.parametrize("seconds", [1.0, 0.0], ids=["paced", "at once"])
@pytest.mark.parametrize("kind", KEPT)
def test_kept_connections_spread_over_the_workers(
    serve: Serve, clients: list[socket.socket], kind: str, seconds: float
) -> None:
    server = serve(*KEPT[kind], "-w", "4", "--keep-alive", "60", folder=HERE)
    server.wait_ready(4)
    assert_even(server, clients, seconds, b"GET /pid HTTP/1.1\r\nHost: a.example\r\n\r\n")


@pytest.mark.parametrize("kind", ["asgi", "asgi-asyncio"])
def test_websockets_spread_over_the_workers(serve: Serve, clients: list[socket.socket], kind: str) -> None:
    server = serve(*KEPT[kind], "-w", "4", folder=HERE)
    server.wait_ready(4)
    assert_even(server, clients, 1.0, UPGRADE)
