"""How connections and calls may end: half-closed, reset, cancelled. On every worker class."""

from __future__ import annotations

import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server
from tests.integration.workers.wire import Client, get

APPS = Path(__file__).parent / "abuse"

KINDS = {
    "sync": ("-k", "sync", "bulk_app:wsgi_app"),
    "gthread": ("-k", "gthread", "--threads", "2", "bulk_app:wsgi_app"),
    "gevent": ("-k", "gevent", "bulk_app:wsgi_app"),
    "asgi-wsgi": ("-k", "asgi", "bulk_app:wsgi_app"),
    "asgi": ("-k", "asgi", "bulk_app:asgi_app"),
}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    started = Server(list(KINDS[request.param]), APPS)
    yield started
    started.destroy()


def test_half_closed_client_gets_its_answers(server: Server) -> None:
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/") + get("/download/1"))
        client.end()
        assert client.hear().body == b"0"
        assert len(client.hear().body) == 1 << 20
        assert client.is_closed


@pytest.mark.parametrize("size", [100, 1_000_000], ids=["small", "large"])
def test_half_closed_in_a_body_is_no_whole_body(server: Server, size: int) -> None:
    with server.connected() as sock:
        client = Client(sock)
        client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * (size * 9 // 10))
        client.end()
        assert client.rest().startswith(b"HTTP/1.1 400 ")
    assert server.get().body == b"0"


def test_half_closed_in_the_body_of_a_request_sent_ahead_is_no_whole_body_either(server: Server) -> None:
    """The end comes while the answer before is under way, and nothing comes after it."""
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/download/8") + b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        client.end()
        assert len(client.hear().body) == 8 << 20
        assert client.rest().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("first", "more"),
    [(get("/download/8", version="1.0"), b"\r\n"), (get("/download/8", "Connection: close"), get("/"))],
    ids=["an empty line after HTTP/1.0", "a request after the last one"],
)
def test_answer_comes_whole_though_the_client_has_sent_more(server: Server, first: bytes, more: bytes) -> None:
    """A close with bytes unread is a reset, which takes away what the client has not read yet."""
    with server.connected() as sock:
        client = Client(sock)
        client.send(first)
        select.select([sock], [], [])  # more than all buffers hold is on its way, so nothing is closed yet
        client.send(more)
        assert len(client.hear().body) == 8 << 20
        assert client.is_closed


@pytest.mark.parametrize(("option", "ahead"), [("--keep-alive=0", 1), ("--limit-pipelined=1", 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_connection_that_the_server_ends_may_bring_more_without_a_reset(kind: str, option: str, ahead: int) -> None:
    """The client may have sent its next request before it learned that there is none."""
    server = Server([*KINDS[kind], option], APPS)
    try:
        with server.connected() as sock:
            client = Client(sock)
            client.send(get("/") * ahead)
            while "connection" not in client.hear().headers:
                pass
            assert client.is_closed
            for _ in range(3):
                client.send(get("/"))
    finally:
        server.destroy()


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HT",
        get("/download/10"),
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000,
    ],
    ids=["head", "answer", "body", "large body"],
)
def test_reset_is_no_event(server: Server, first: bytes) -> None:
    before = len(server.log.text)
    with server.connected() as sock:
        client = Client(sock)
        client.send(first)
        client.reset()
    for _ in range(3):
        assert server.get().body == b"0"
    assert "Traceback" not in server.log.text[before:]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_failed_application_is_answered_alike_by_every_class(server: Server, version: str) -> None:
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/fail", "Connection: keep-alive", version=version) + get("/"))
        answer = client.hear()
        assert client.is_closed
    assert (answer.status, answer.body) == (500, b"500 Internal Server Error: the application failed\n")
    assert answer.headers.pop("date")
    assert answer.headers == {
        "server": "hybrid",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "50",
        "connection": "close",
    }


def test_cancelled_call_is_told_once_and_its_shielded_cleanup_runs(serve: Serve, write_app: object) -> None:
    write_app(  # type: ignore[operator]
        """
        import asyncio, sys

        def say(text):
            print(text, file=sys.stderr, flush=True)

        async def clean_up():
            await asyncio.sleep(0.05)
            say("cleaned up")

        async def app(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError("http only")
            say("begun")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("cancelled")
                await asyncio.shield(clean_up())
                raise
        """
    )
    server = serve("site_app:app", "-k", "asgi", "--graceful-timeout", "1")
    with server.connected() as sock:
        sock.sendall(get("/"))
        server.log.wait("begun")
        assert server.stop(signal.SIGTERM) == 0
    assert server.log.text.count("cancelled\n") == 1
    assert server.log.text.count("cleaned up\n") == 1
