"""ASGI's extensions over the wire, on both event loops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.server import Server
from tests.integration.workers.wire import Client, get

APPS = Path(__file__).parent
SIZE = 30_000_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "large.bin"
    path.write_bytes(os.urandom(1_000_000) * 30)
    return path


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest, file: Path) -> Iterator[Server]:
    started = Server(["-k", "asgi", "--loop", request.param, "extending_app:app"], APPS, {"FILE": str(file)})
    yield started
    started.destroy()


@contextmanager
def connected(server: Server) -> Iterator[Client]:
    with server.connected() as sock:
        yield Client(sock)


def test_offer_is_that_of_the_request(server: Server) -> None:
    with connected(server) as client:
        plain = client.ask(get("/offered")).body.decode().split()
        assert "http.response.pathsend" in plain
        assert "http.response.early_hint" in plain
        assert "http.response.trailers" not in plain
        assert "http.response.trailers" in client.ask(get("/offered", "TE: trailers")).body.decode().split()
    with connected(server) as client:
        old = client.ask(get("/offered", version="1.0")).body.decode().split()
        assert old == ["http.response.pathsend", "http.response.zerocopysend"]


def test_hints_come_before_the_answer(server: Server) -> None:
    with connected(server) as client:
        for _ in range(2):
            hint = client.ask(get("/hints"))
            assert (hint.status, hint.headers["link"]) == (103, "</a.css>; rel=preload; as=style")
            assert client.hear().body == b"hinted"


def test_file_comes_whole_and_the_connection_is_kept(server: Server, file: Path) -> None:
    with connected(server) as client:
        for _ in range(2):
            answer = client.ask(get("/path"))
            assert answer.headers["content-length"] == str(SIZE)
            assert answer.body == file.read_bytes()
        assert client.ask(get("/open")).body == file.read_bytes()[10:1010]


def test_requests_behind_a_file_wait_for_it(server: Server, file: Path) -> None:
    with connected(server) as client:
        client.send(get("/path") + get("/open"))
        assert len(client.hear().body) == SIZE
        assert client.hear().body == file.read_bytes()[10:1010]


def test_slow_reader_of_a_file_stops_nobody_and_gets_all_of_it(server: Server, file: Path) -> None:
    with connected(server) as slow:
        slow.send(get("/path"))
        for _ in range(3):
            with connected(server) as client:
                assert client.ask(get("/open")).status == 200
        assert slow.hear().body == file.read_bytes()


def test_reader_that_leaves_a_file_is_no_event(server: Server) -> None:
    before = len(server.log.text)
    with connected(server) as client:
        client.send(get("/path"))
        client.socket.recv(1000)
        client.reset()
    with connected(server) as client:
        assert client.ask(get("/open")).status == 200
    assert "Traceback" not in server.log.text[before:]


def test_trailers_follow_for_who_takes_them(server: Server) -> None:
    with connected(server) as client:
        client.send(get("/trailers", "TE: trailers", "Connection: close"))
        assert client.rest().endswith(b"7\r\ncontent\r\n0\r\nx-sum: 42\r\n\r\n")
    with connected(server) as client:
        client.send(get("/trailers", "Connection: close"))
        assert client.rest().endswith(b"7\r\ncontent\r\n0\r\n\r\n")


def test_starlette_sends_files_this_way(file: Path) -> None:
    server = Server(["-k", "asgi", "extending_app:starlette"], APPS, {"FILE": str(file)})
    try:
        with connected(server) as client:
            answer = client.ask(get("/"))
            assert (answer.status, len(answer.body)) == (200, SIZE)
            part = client.ask(get("/", "Range: bytes=5-9"))
            assert (part.status, part.body) == (206, file.read_bytes()[5:10])
            client.send(get("/").replace(b"GET", b"HEAD") + get("/", "Range: bytes=0-1"))
            head = client._until(b"\r\n\r\n")
            assert b"content-length: %d" % SIZE in head.lower()
            assert client.hear().body == file.read_bytes()[:2]
    finally:
        server.destroy()
