"""Settings that only a running server can prove: they reach the kernel, the import path and the workers."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.gate import APPS
from tests.integration.server import Server, launch


def test_pythonpath_is_where_the_application_is_found(serve: Serve, tmp_path: Path) -> None:
    server = serve("gated:wsgi_app", "-k", "sync", "--pythonpath", str(APPS), folder=tmp_path)
    server.wait_ready()
    assert server.get().status == 200
    assert server.stop() == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="TCP_INFO tells the backlog on Linux only")
def test_backlog_is_what_the_kernel_was_told() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        arguments = ["-k", "sync", "--bind", f"fd://{listener.fileno()}", "--backlog", "77", "gated:wsgi_app"]
        process, log = launch(arguments, APPS, pass_fds=(listener.fileno(),))
        try:
            log.wait("Worker ready")
            # Of a listening socket the sixth number of struct tcp_info, tcpi_sacked, is the longest queue.
            info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
            assert struct.unpack_from("6I", info, 8)[5] == 77
        finally:
            process.terminate()
            assert process.wait(20) == 0
            log.close()


def test_jitter_lets_a_worker_serve_beyond_max_requests(gated: Callable[..., Server]) -> None:
    """So wide that a worker which draws a small number is less likely than a broken machine.

    The asgi worker counts in its sweep, right after it has written the access log: the line shows that it has counted.
    """
    server = gated("-w", "1", "--max-requests", "1", "--max-requests-jitter", "1000000000", "--access-logfile", "-")
    (pid,) = server.wait_ready()
    assert {int(server.get().body) for _ in range(10)} == {pid}
    server.log.wait('"GET / HTTP/1.1" 200', count=10)
    assert server.stop() == 0
    assert "Autorestarting worker" not in server.log.text


@pytest.mark.parametrize("options", [[], ["--reload"], ["--preload"]], ids=["plain", "reload", "preload"])
def test_arbiter_has_one_thread(options: list[str], serve: Serve) -> None:
    """It forks, and a fork beside threads copies locks that nobody will release."""
    if not sys.platform.startswith("linux"):
        pytest.skip("/proc is Linux's")
    if "--reload" in options:
        pytest.importorskip("watchfiles")
    server = serve("gated:wsgi_app", "-k", "gthread", "--threads", "4", *options, folder=APPS)
    server.wait_ready()
    assert server.get().status == 200
    assert "\nThreads:\t1\n" in Path(f"/proc/{server.pid}/status").read_text()
    assert server.stop() == 0
