"""The numbers for load that spreads: two workers of one thread, and WebSockets that stay."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.resilience import test_spread as short

HERE = Path(short.__file__).parent


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for client in opened:
        client.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_pairs_of_requests_of_a_second_never_meet_in_one_worker(serve: Serve) -> None:
    """Both worker classes, side by side."""
    servers = []
    for options in short.ONE_AT_ONCE.values():
        server = serve("slow_app:wsgi_app", *options, "-w", "2", folder=HERE)
        server.wait_ready(2)
        servers.append(server)
    with ThreadPoolExecutor(len(servers)) as pool:
        for done in [pool.submit(short.collide, server, 1.0, 100) for server in servers]:
            done.result()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["asgi", "asgi-asyncio"])
def test_four_hundred_websockets_opened_over_ten_seconds(serve: Serve, clients: list[socket.socket], kind: str) -> None:
    server = serve(*short.KEPT[kind], "-w", "4", folder=HERE)
    server.wait_ready(4)
    workers = short.assert_even(server, clients, 10.0, short.UPGRADE, 400)
    print(kind, sorted(workers.values()))
