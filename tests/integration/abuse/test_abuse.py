"""Clients that send or take a lot, or slowly: the short versions. tests/slow/abuse has the long ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from tests.integration.abuse import scenarios
from tests.integration.abuse.bulk import MB, narrow
from tests.integration.server import Server, read_until
from tests.integration.workers.wire import get

Bulk = Callable[..., Server]


def test_uploads_and_downloads_cost_no_memory(bulk: Bulk) -> None:
    scenarios.check_uploads_and_downloads_cost_no_memory(bulk(), megabytes=100, most=16 * MB)


def test_endless_lines_heads_and_trailers_are_refused_and_cost_no_memory(bulk: Bulk) -> None:
    scenarios.check_endless_sending_is_refused(bulk(), megabytes=20, clients=10, most=32 * MB)


def test_readers_that_do_not_read_cost_little_and_stop_nobody(bulk: Bulk) -> None:
    """More of them than the worker has threads."""
    scenarios.check_readers_that_do_not_read_cost_little(bulk(), clients=60, megabytes=20, most=64 * MB)


def test_the_kernel_keeps_little_for_a_client_that_does_not_read(bulk: Bulk) -> None:
    """Hundreds of megabytes copied for hundreds of them are a second in which nobody is answered.

    Under asgi the event loop writes on without asking whether it may, until the kernel's buffer is full.
    """
    server = bulk()
    (pid,) = server.wait_ready()
    with narrow(server) as sock:
        sock.sendall(get("/download/100"))
        read_until(sock, b"\r\n\r\n")
        for _ in range(3):
            scenarios.answer_quickly(server)
        os.kill(pid, signal.SIGKILL)
        count = 0
        while size := len(sock.recv(65536)):
            count += size
    assert count < (8 if "asgi" in server.process.args else 2) * MB  # type: ignore[operator]


def test_idle_connections_cost_little(bulk: Bulk) -> None:
    scenarios.check_idle_connections_cost_little(bulk(), count=500, each=16 * 1024)


def test_slow_clients_stop_nobody(bulk: Bulk) -> None:
    scenarios.check_slow_clients_stop_nobody(bulk(), clients=20)


def test_flood_of_connections_stops_nobody(bulk: Bulk) -> None:
    scenarios.check_flood_stops_nobody(bulk(), connections=1000)
