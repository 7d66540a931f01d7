"""The example of a worker class that another distribution brings, found by its entry point."""

from __future__ import annotations

import os
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import EXAMPLES, Server, launch
from tests.integration.workers.wire import Client, get, post

PACKAGE = EXAMPLES / "thread_worker"
APPS = Path(__file__).parents[1] / "workers"

Start = Callable[..., Server]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has the package: what pip would write, and where the code is."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return {"PYTHONPATH": os.pathsep.join([str(PACKAGE), str(info.parent)])}


@pytest.fixture
def start(serve: Serve, installed: dict[str, str]) -> Start:
    def begin(*options: str) -> Server:
        server = serve("wsgi_app:app", "-k", "thread", *options, folder=APPS, environ=installed)
        server.wait_ready()
        return server

    return begin


def test_it_serves_keep_alive_bodies_and_streams(start: Start) -> None:
    server = start()
    server.log.wait("worker=thread interface=wsgi")
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).body == b"hello"
        assert client.ask(post("/echo", b"x" * 200_000)).body == b"x" * 200_000
        assert len(client.ask(get("/stream?n=20")).body) == 20 * 16384
        client.send(get("/") + post("/echo", b"second"))
        assert [client.hear().body for _ in range(2)] == [b"hello", b"second"]


def test_it_says_what_was_wrong_and_serves_on(start: Start) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        client.send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        assert client.hear().status == 400
        assert client.is_closed
    assert server.get("/fail").status == 500
    server.log.wait("ValueError: as it should")
    assert server.get("/").body == b"hello"


def test_a_client_that_sends_nothing_holds_up_nobody(start: Start) -> None:
    server = start("--first-byte-timeout", "0.3")
    with server.connected() as silent:
        assert server.get("/").body == b"hello"
        assert silent.recv(1) == b""


def test_it_finishes_what_is_under_way_and_hangs_up_on_the_idle(start: Start) -> None:
    server = start()
    with server.connected() as idle, server.connected() as busy:
        assert Client(idle).ask(get("/")).status == 200
        client = Client(busy)
        client.send(get("/nap?0.5"))
        server.log.wait("napping")
        server.process.terminate()
        answer = client.hear()
        assert (answer.body, client.is_closed) == (b"hello", True)
        assert idle.recv(1) == b""
    assert server.wait_exit() == 0


def test_it_is_reloaded_like_any_other(start: Start) -> None:
    server = start("-w", "2")
    server.wait_ready(2)
    assert server.get("/").body == b"hello"
    server.send(signal.SIGHUP)
    server.wait_ready(4)
    assert server.get("/").body == b"hello"
    assert server.stop() == 0


def test_an_asgi_application_is_refused_in_one_line(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text("async def app(scope, receive, send): ...\n")
    process, log = launch(["--bind", "127.0.0.1:0", "-k", "thread", "site_app:app"], tmp_path, installed)
    assert process.wait(20) == 1
    assert log.wait_end()
    assert "worker class thread serves WSGI applications" in log.text
    assert "Traceback" not in log.text
    log.close()
