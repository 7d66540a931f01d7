"""Starting, stopping, dying: the real command and real workers, on every worker class."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.addresses import has_ipv6
from tests.integration.gate import APPS, Gate
from tests.integration.server import WAIT_S, Server, clean_environ, launch, read_until

Gated = Callable[..., Server]


def test_term_lets_the_request_under_way_finish(gated: Gated, gate: Gate) -> None:
    server = gated()
    with gate.held(server) as (hold, answer):
        server.send(signal.SIGTERM)
        server.log.wait("Handling signal: term")
        hold.close()
        assert answer.result(WAIT_S).status == 200
    assert server.wait_exit() == 0


def test_term_closes_idle_connections(gated: Gated) -> None:
    server = gated()
    with server.connected() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(sock, b"\r\n\r\n")
        assert server.stop() == 0


def test_requests_beyond_the_graceful_time_are_ended(gated: Gated, gate: Gate) -> None:
    server = gated("--graceful-timeout", "0.3")
    with server.connected() as sock:
        sock.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with gate.entered():
            assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_do_not_wait_for_requests(gated: Gated, gate: Gate, number: signal.Signals) -> None:
    server = gated()
    with server.connected() as sock:
        sock.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with gate.entered():
            assert server.stop(number) == 0


def test_killed_worker_is_replaced(gated: Gated) -> None:
    server = gated("-w", "1")
    (first,) = server.wait_ready()
    assert int(server.get().body) == first
    os.kill(first, signal.SIGKILL)
    second = server.wait_ready(2)[1]
    assert int(server.get().body) == second
    server.log.wait(rf"Worker \(pid: ?{first}\) was sent SIGKILL!")
    assert server.stop() == 0


def test_killed_arbiter_leaves_no_worker_behind(gated: Gated) -> None:
    server = gated("-w", "2")
    server.wait_ready(2)
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL


def test_killed_arbiter_leaves_no_worker_behind_that_is_stuck_in_the_application(gated: Gated, gate: Gate) -> None:
    server = gated("--graceful-timeout", "0.5")
    with server.connected() as sock:
        sock.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with gate.entered():
            os.kill(server.pid, signal.SIGKILL)
            assert server.wait_exit() == -signal.SIGKILL


def test_ttin_and_ttou_change_the_number_of_workers(gated: Gated) -> None:
    server = gated("-w", "1")
    server.wait_ready(1)
    server.send(signal.SIGTTIN)
    server.wait_ready(2)
    server.send(signal.SIGTTOU)
    server.log.wait(r"Worker exiting \(pid: \d+\)")
    assert server.get().status == 200
    assert server.stop() == 0


def test_worker_with_its_requests_used_up_is_replaced_without_a_gap(gated: Gated) -> None:
    server = gated("-w", "1", "--max-requests", "5")
    (first,) = server.wait_ready()
    for _ in range(5000):
        if int(server.get().body) != first:
            break
    else:
        pytest.fail(f"worker {first} served on")
    server.wait_gone(first)
    assert server.stop() == 0


def test_pidfile_names_the_arbiter_and_goes_with_it(gated: Gated, tmp_path: Path) -> None:
    pidfile = tmp_path / "hybrid.pid"
    server = gated("--pid", str(pidfile))
    server.wait_ready()
    assert int(pidfile.read_text()) == server.pid
    assert server.stop() == 0
    assert not pidfile.exists()


def test_access_log_has_a_line_for_each_request(gated: Gated) -> None:
    server = gated("--access-logfile", "-")
    server.get("/some/page?x=1")
    line = server.log.wait(r'^127\.0\.0\.1 .*"GET /some/page\?x=1 HTTP/1\.1" 200 \d+ "-" "-"$')
    assert len(line) == 1
    assert server.stop() == 0


def test_log_files_are_reopened_on_usr1(gated: Gated, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    server = gated("--access-logfile", str(log), "-w", "1")
    server.get("/before")
    log.rename(tmp_path / "access.log.1")
    server.send(signal.SIGUSR1)
    server.log.wait("Handling signal: usr1")
    # The worker reopens at some moment after the signal: ask until a line is in the new file.
    for _ in range(2000):
        server.get("/after")
        if log.exists() and "/after" in log.read_text():
            break
    else:
        pytest.fail("no line came into the reopened file")
    assert server.stop() == 0
    # The worker writes lines in batches, so one from before the move may come into either file; none is lost.
    assert ((tmp_path / "access.log.1").read_text() + log.read_text()).count("GET /before ") == 1


def test_unix_socket_is_served_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "h.sock"
    process, log = launch(["-k", "sync", "--bind", f"unix:{path}", "-m", "007", "gated:wsgi_app"], APPS)
    try:
        log.wait("Worker ready")
        assert stat.S_IMODE(path.stat().st_mode) == 0o770
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(WAIT_S)
            sock.connect(str(path))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        process.terminate()
        assert process.wait(WAIT_S) == 0
        assert log.wait_end()
        assert not path.exists()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(WAIT_S)
        print(log.text)
        log.close()


@pytest.mark.skipif(not has_ipv6(), reason="needs ::1, which this machine has not")
def test_several_addresses_are_served(tmp_path: Path) -> None:
    """Port 0 lets the kernel choose; the log says what it chose."""
    arguments = ["-k", "sync", "--bind", "127.0.0.1:0", "--bind", "[::1]:0", "gated:wsgi_app"]
    process, log = launch(arguments, APPS)
    try:
        log.wait("Worker ready")
        ports = re.findall(r"http://(?:127\.0\.0\.1|\[::1\]):(\d+)", log.text)
        for host, port in zip(("127.0.0.1", "::1"), ports, strict=False):
            connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_S)
            connection.request("GET", "/")
            assert connection.getresponse().read()
            connection.close()
        assert len(ports) == 2
        process.terminate()
        assert process.wait(WAIT_S) == 0
        assert log.wait_end()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(WAIT_S)
        print(log.text)
        log.close()


def test_environment_of_the_test_does_not_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_WORKERS", "7")
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    assert not {"HYBRID_WORKERS", "WEB_CONCURRENCY"} & set(clean_environ())
