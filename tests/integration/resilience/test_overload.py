"""Shedding: --queue-timeout, --limit-concurrency, --health-path, --ready-path; the same on every worker class."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.gate import APPS, KINDS, Gate
from tests.integration.server import WAIT_S, Server, clean_environ

HERE = Path(__file__).parent
SLOW = {
    "sync": ("slow_app:wsgi_app", "-k", "sync"),
    "gthread": ("slow_app:wsgi_app", "-k", "gthread", "--threads", "1"),
    "gevent": ("slow_app:wsgi_app", "-k", "gevent"),
    "asgi-wsgi": ("slow_app:wsgi_app", "-k", "asgi", "--sync-threads", "1"),
    "asgi": ("slow_app:asgi_app", "-k", "asgi"),
}


Connect = Callable[[Server], http.client.HTTPConnection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients = []

    def begin(server: Server) -> http.client.HTTPConnection:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
        clients.append(client)
        client.connect()
        return client

    yield begin
    for client in clients:
        client.close()


def answer(client: http.client.HTTPConnection) -> tuple[int, str | None, bytes]:
    response = client.getresponse()
    return response.status, response.headers["Retry-After"], response.read()


def get(client: http.client.HTTPConnection, path: str = "/", **fields: str) -> tuple[int, str | None, bytes]:
    client.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    return answer(client)


def shed(server: Server) -> tuple[list[int], int]:
    """How many requests each worker, and its pool, are said to have shed."""
    full = [sys.executable, "-m", "hybrid", "status", "--json", "--pid", str(server.pid)]
    said = subprocess.run(full, capture_output=True, timeout=WAIT_S, check=True, env=clean_environ())
    report = json.loads(said.stdout)
    return [worker["shed"] for worker in report["workers"]], report["pools"][0]["shed"]


@pytest.mark.parametrize("kind", SLOW)
def test_a_request_that_waited_too_long_is_answered_503_and_a_health_check_is_not(
    connect: Connect, serve: Serve, kind: str
) -> None:
    server = serve(*SLOW[kind], "--queue-timeout", "0.4", "--health-path", "/healthz", folder=HERE)
    server.wait_ready()
    first, second, health = connect(server), connect(server), connect(server)
    for client in (first, second, health):  # all are known to the worker: it has not only to accept them
        assert get(client)[0] == 200
    first.request("GET", "/spin?1.5")
    server.log.wait("app: spinning")
    second.request("GET", "/late")
    health.request("GET", "/healthz")
    assert answer(first)[0] == 200
    status, retry_after, body = answer(second)
    assert (status, retry_after) == (503, "1"), body
    assert answer(health)[0] == 200
    assert get(second)[0] == 200, "its connection is kept, and the next request is served"
    server.log.wait(r"Overload: the request has waited too long \(\d\.\d\d s, --queue-timeout 0\.4\).* GET /late")
    assert shed(server) == ([1], 1)


@pytest.mark.parametrize("kind", SLOW)
def test_the_time_in_the_backlog_counts(connect: Connect, serve: Serve, kind: str) -> None:
    server = serve(*SLOW[kind], "--queue-timeout", "0.4", folder=HERE)
    server.wait_ready()
    first = connect(server)
    first.request("GET", "/spin?1.5")
    server.log.wait("app: spinning")
    second = connect(server)
    second.request("GET", "/late")
    assert answer(first)[0] == 200
    assert answer(second)[0] == 503


@pytest.mark.parametrize("kind", SLOW)
def test_a_trusted_proxy_says_since_when_a_request_waits(connect: Connect, serve: Serve, kind: str) -> None:
    server = serve(*SLOW[kind], "--queue-timeout", "2", folder=HERE)
    server.wait_ready()
    client = connect(server)
    now = time.time()
    assert get(client, X_Request_Start=f"t={now - 5:.3f}")[0] == 503
    assert get(client, X_Request_Start=f"{(now - 5) * 1000:.0f}")[0] == 503
    assert get(client, X_Request_Start=f"t={now + 60:.3f}")[0] == 200
    assert get(client, X_Request_Start="yesterday")[0] == 200
    assert get(client)[0] == 200


def test_nobody_else_does(connect: Connect, serve: Serve) -> None:
    server = serve(*SLOW["asgi"], "--queue-timeout", "2", "--forwarded-allow-ips", "192.0.2.1", folder=HERE)
    server.wait_ready()
    assert get(connect(server), X_Request_Start=f"t={time.time() - 5:.3f}")[0] == 200


@pytest.fixture
def hold(serve: Serve, tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Gate]]]:
    gate = Gate(tmp_path)

    def begin(kind: str, *options: str) -> tuple[Server, Gate]:
        name, app = KINDS[kind]
        server = serve(app, "-k", name, *options, folder=APPS, environ=gate.environ)
        server.wait_ready()
        return server, gate

    yield begin
    gate.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sync"])
def test_beyond_the_limit_of_requests_at_once_it_answers_503(
    connect: Connect, hold: Callable[..., tuple[Server, Gate]], kind: str
) -> None:
    options = ("--limit-concurrency", "1", "--health-path", "/healthz", "--ready-path", "/readyz", "--threads", "3")
    server, gate = hold(kind, *options)
    client = connect(server)
    assert get(client, "/readyz")[::2] == (200, b"200 OK: ready\n")
    with gate.held(server) as (release, held):
        status, retry_after, _ = get(client)
        assert (status, retry_after) == (503, "1")
        assert get(client, "/healthz")[0] == 200
        assert get(client, "/readyz") == (503, "1", b"503 Service Unavailable: overloaded\n")
        release.close()
        assert held.result().status == 200
    assert get(client)[0] == 200
    assert get(client, "/readyz")[0] == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stops_is_not_ready_and_serves_on_for_its_drain_delay(
    hold: Callable[..., tuple[Server, Gate]], kind: str
) -> None:
    server, _ = hold(kind, "--ready-path", "/readyz", "--drain-delay", "20", "--graceful-timeout", "1")
    assert server.get("/readyz").status == 200
    server.send(signal.SIGTERM)
    server.log.wait("Handling signal: term")
    until = time.monotonic() + WAIT_S
    while server.get("/readyz").status == 200:  # the signal takes a moment from the arbiter to the worker
        assert time.monotonic() < until
    stopping = server.get("/readyz")
    assert (stopping.status, stopping.body) == (503, b"503 Service Unavailable: stopping\n")
    assert server.get("/").status == 200
    server.send(signal.SIGQUIT)
    server.wait_exit()


def test_shed_requests_are_in_the_access_log(connect: Connect, serve: Serve) -> None:
    for kind in ("sync", "asgi"):
        server = serve(*SLOW[kind], "--queue-timeout", "2", "--access-logfile", "-", folder=HERE)
        server.wait_ready()
        assert get(connect(server), "/late", X_Request_Start=f"t={time.time() - 5:.3f}")[0] == 503
        server.log.wait('"GET /late HTTP/1.1" 503')
