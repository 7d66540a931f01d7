"""Reload with HUP: no request is lost, and code that cannot start changes nothing."""

from __future__ import annotations

import http.client
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server

WSGI = """
    VERSION = {version!r}

    def app(environ, start_response):
        body = VERSION.encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""

ASGI = """
    VERSION = {version!r}

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        body = VERSION.encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        await send({{"type": "http.response.body", "body": body}})
"""

KINDS = {
    "sync": ("sync", WSGI),
    "gthread": ("gthread", WSGI),
    "gevent": ("gevent", WSGI),
    "asgi-wsgi": ("asgi", WSGI),
    "asgi": ("asgi", ASGI),
}

WriteApp = Callable[[str], Path]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    return KINDS[request.param]


class Load:
    """Threads that ask without a pause, each request on a connection of its own, and keep count."""

    def __init__(self, server: Server) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._server = server
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_over = threading.Event()

    def wait_for(self, version: str, count: int = 20) -> None:
        """Until so many answers of this version have come."""
        with self._changed:
            done = self._changed.wait_for(lambda: self.answers[version] >= count or bool(self.failures), WAIT_S)
            assert not self.failures, self.failures
            assert done, f"{self.answers} has too few of {version}"

    @contextmanager
    def running(self, threads: int = 2) -> Iterator[Load]:
        workers = [threading.Thread(target=self._ask) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield self
        finally:
            self._is_over.set()
            for worker in workers:
                worker.join(WAIT_S)

    def _ask(self) -> None:
        while not self._is_over.is_set():
            try:
                answer = self._server.get("/")
            except (OSError, http.client.HTTPException) as error:
                with self._changed:
                    self.failures.append(repr(error))
                    self._changed.notify_all()
                return
            with self._changed:
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {answer.body!r}")
                self.answers[answer.body.decode()] += 1
                self._changed.notify_all()


def test_reload_under_load_loses_no_request(kind: tuple[str, str], serve: Serve, write_app: WriteApp) -> None:
    worker_class, source = kind
    write_app(source.format(version="one"))
    server = serve("site_app:app", "-k", worker_class, "-w", "2")
    old = server.wait_ready(2)
    with Load(server).running() as load:
        load.wait_for("one")
        for number, version in enumerate(("two", "three"), start=2):
            write_app(source.format(version=version))
            server.send(signal.SIGHUP)
            ready = server.wait_ready(2 * number)[-2:]
            for pid in old:
                server.wait_gone(pid)
            old = ready
            load.wait_for(version)
    assert not load.failures
    assert server.get().body == b"three"
    assert server.stop() == 0


def test_broken_reload_leaves_the_old_code_serving(kind: tuple[str, str], serve: Serve, write_app: WriteApp) -> None:
    worker_class, source = kind
    write_app(source.format(version="one"))
    server = serve("site_app:app", "-k", worker_class, "-w", "2")
    server.wait_ready(2)
    write_app("raise RuntimeError('this release cannot be imported')")
    server.send(signal.SIGHUP)
    server.log.wait("Reload failed")
    assert len(re.findall("^RuntimeError: this release cannot be imported$", server.log.text, re.MULTILINE)) == 1
    assert server.get().body == b"one"
    write_app(source.format(version="two"))
    server.send(signal.SIGHUP)
    server.wait_ready(4)
    for pid in server.wait_ready(2):
        server.wait_gone(pid)
    assert server.get().body == b"two"
    assert server.stop() == 0


def test_kept_alive_connection_outlives_nothing_but_its_worker(
    kind: tuple[str, str], serve: Serve, write_app: WriteApp
) -> None:
    """After a reload the client of an idle connection is answered by the new code, on a new connection at worst."""
    worker_class, source = kind
    write_app(source.format(version="one"))
    server = serve("site_app:app", "-k", worker_class, "-w", "1")
    (first,) = server.wait_ready()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
    try:
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"one"
        write_app(source.format(version="two"))
        server.send(signal.SIGHUP)
        server.wait_gone(first)
        connection.close()
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"two"
    finally:
        connection.close()
    assert server.stop() == 0


def test_reload_takes_new_settings(serve: Serve, write_app: WriteApp, tmp_path: Path) -> None:
    write_app(WSGI.format(version="one"))
    (tmp_path / "hybrid.toml").write_text("workers = 1\n")
    server = serve("site_app:app", "-k", "sync")
    server.wait_ready(1)
    (tmp_path / "hybrid.toml").write_text("workers = 3\n")
    server.send(signal.SIGHUP)
    server.wait_ready(4)
    assert server.stop() == 0


def test_reload_with_a_wrong_setting_changes_nothing(serve: Serve, write_app: WriteApp, tmp_path: Path) -> None:
    write_app(WSGI.format(version="one"))
    (tmp_path / "hybrid.toml").write_text("workers = 1\n")
    server = serve("site_app:app", "-k", "sync")
    server.wait_ready(1)
    (tmp_path / "hybrid.toml").write_text('workers = "many"\n')
    server.send(signal.SIGHUP)
    server.log.wait("(?s)Reload failed.*many")
    assert server.get().body == b"one"
    assert server.stop() == 0


def test_changed_file_reloads_in_development(serve: Serve, write_app: WriteApp) -> None:
    write_app(WSGI.format(version="one"))
    server = serve("site_app:app", "-k", "sync", "--reload")
    (first,) = server.wait_ready(1)
    assert server.get().body == b"one"
    write_app(WSGI.format(version="two"))
    server.wait_ready(2)
    server.wait_gone(first)
    assert server.get().body == b"two"
    assert server.stop() == 0
