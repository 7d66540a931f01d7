"""A stop loses nothing: what was accepted, by us or by the kernel for us, is answered."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.resilience.test_deadline import CLASSES
from tests.integration.server import WAIT_S, Server, read_to_end

HERE = Path(__file__).parent
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def begin(serve: Serve, kind: str, *options: str) -> Server:
    server = serve(*CLASSES[kind], *options, folder=HERE)
    server.wait_ready()
    return server


@pytest.mark.parametrize("kind", CLASSES)
def test_connections_that_wait_in_the_backlog_are_served_before_the_listener_closes(serve: Serve, kind: str) -> None:
    server = begin(serve, kind)
    (worker,) = server.wait_ready()
    os.kill(worker, signal.SIGSTOP)
    waiting = [socket.create_connection(("127.0.0.1", server.port), WAIT_S) for _ in range(20)]
    for sock in waiting:
        sock.sendall(REQUEST)
    server.send(signal.SIGTERM)
    server.log.wait("Handling signal: term")
    os.kill(worker, signal.SIGCONT)
    for sock in waiting:
        with sock:
            answer = read_to_end(sock)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert server.wait_exit() == 0


@pytest.mark.parametrize("kind", CLASSES)
def test_drain_delay_accepts_on_and_closes_each_connection(serve: Serve, kind: str) -> None:
    server = begin(serve, kind, "--drain-delay", "1.5", "-w", "2")
    server.wait_ready(2)
    server.send(signal.SIGTERM)
    server.log.wait("Handling signal: term")
    answers = []
    for _ in range(20):
        with server.connected() as sock:
            sock.sendall(REQUEST)
            answers.append(read_to_end(sock).lower())  # the first may come before both workers know
    assert all(answer.startswith(b"http/1.1 200 ") for answer in answers)
    assert b"\r\nconnection: close\r\n" in answers[-1]
    assert server.wait_exit() == 0


@pytest.mark.parametrize("kind", CLASSES)
def test_drain_delay_is_for_a_stop_and_not_for_workers_that_are_replaced(serve: Serve, kind: str) -> None:
    server = begin(serve, kind, "--drain-delay", "600", "--graceful-timeout", "600")
    (old,) = server.wait_ready()
    server.send(signal.SIGHUP)
    server.wait_ready(2)
    server.wait_gone(old)
    assert server.stop(signal.SIGQUIT) == 0


def test_event_streams_are_told_at_once_and_others_are_not(serve: Serve) -> None:
    server = begin(serve, "asgi")
    with server.connected() as sock, ThreadPoolExecutor() as pool:
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        server.log.wait("app: sending events")
        stream = pool.submit(server.get, "/stream?20")
        server.log.wait("app: streaming")
        server.send(signal.SIGTERM)
        server.log.wait("app: the event stream was told")
        assert stream.result().body == b"x" * 20
    assert server.wait_exit() == 0


@pytest.mark.parametrize("kind", ["asgi", "sync", "gthread", "gevent"])
def test_event_streams_that_go_on_are_ended(serve: Serve, kind: str) -> None:
    server = begin(serve, kind, "--drain-streams", "0.3")
    with server.connected() as sock:
        sock.sendall(b"GET /deaf-events HTTP/1.1\r\nHost: a\r\n\r\n")
        server.log.wait("app: sending events")
        server.send(signal.SIGTERM)
        server.log.wait("app: the event stream has ended")
        assert b"\r\n0\r\n\r\n" not in read_to_end(sock)
    assert server.wait_exit(10) == 0
