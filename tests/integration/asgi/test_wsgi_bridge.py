"""A WSGI application under `-k asgi`: PEP 3333 in threads, the same connections around it."""

from __future__ import annotations

import contextvars
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.validate import validator

import pytest

from .conftest import WAIT_S, Serve, Serving

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]


@pytest.fixture
def bridge(serve: Serve) -> Callable[..., Serving]:
    return lambda app, **settings: serve(app, interface="wsgi", **settings)


def test_validated_application_is_served(bridge: Callable[..., Serving]) -> None:
    @validator
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)) if "CONTENT_LENGTH" in environ else b""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REQUEST_METHOD"].encode(), b" ", body]

    client = bridge(app).connect()
    assert client.get().answer()[2] == b"GET "
    client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert client.answer()[2] == b"POST abc"
    assert client.get().answer()[0] == 200


def test_environ_says_many_threads(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [f"{environ['wsgi.multithread']} {threading.current_thread() is threading.main_thread()}".encode()]

    assert bridge(app).connect().get().answer()[2] == b"True False"


def test_requests_run_side_by_side_up_to_sync_threads(bridge: Callable[..., Serving]) -> None:
    barrier = threading.Barrier(3, timeout=WAIT_S)

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        barrier.wait()
        start_response("200 OK", [])
        return [b"met"]

    serving = bridge(app, sync_threads=3)
    clients = [serving.connect().get() for _ in range(3)]
    assert [client.answer()[2] for client in clients] == [b"met"] * 3


def test_upload_streams_through_wsgi_input(bridge: Callable[..., Serving]) -> None:
    size = 3_000_000

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        total = 0
        while data := environ["wsgi.input"].read(10_000):
            total += len(data)
        start_response("200 OK", [])
        return [str(total).encode()]

    client = bridge(app).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    client.send(bytes(size))
    assert client.answer()[2] == str(size).encode()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert client.answer()[2] == b"3"


def test_continue_is_sent_when_the_application_reads(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read() if environ["PATH_INFO"] == "/read" else b"unread"]

    serving = bridge(app)
    client = serving.connect()
    client.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.send(b"abc").answer()[2] == b"abc"
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer()[2] == b"unread"


def test_body_that_ends_early_is_an_oserror_not_the_end(bridge: Callable[..., Serving]) -> None:
    raised: list[BaseException] = []
    done = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            raised.append(error)
        done.set()
        start_response("200 OK", [])
        return []

    client = bridge(app, body_buffer=1, spool_bodies="off").connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    client.close()
    assert done.wait(WAIT_S)
    assert len(raised) == 1


def test_generator_streams_and_is_closed_after_the_last_byte(bridge: Callable[..., Serving]) -> None:
    closed = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"one"
            yield b""
            yield b"two"
        finally:
            closed.set()

    client = bridge(app).connect()
    assert client.get().answer()[2] == b"onetwo"
    assert closed.wait(WAIT_S)
    assert client.get().answer()[2] == b"onetwo"


def test_application_is_no_further_ahead_than_the_client_reads(bridge: Callable[..., Serving]) -> None:
    made = 0
    stalled = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", [])
        for _ in range(1024):
            made += 1
            yield bytes(65536)
        stalled.set()

    client = bridge(app).connect().get()
    assert not stalled.wait(0.5)
    assert made < 512
    assert len(client.answer()[2]) == 64 * 1024 * 1024


def test_write_comes_before_the_iterable(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"first ")
        return [b"second"]

    assert bridge(app).connect().get().answer()[2] == b"first second"


def test_exception_before_the_head_is_a_500_and_after_it_a_broken_response(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/middle":
            yield b"part"
        raise ValueError("mine")

    serving = bridge(app)
    assert serving.connect().get().answer()[0] == 500
    assert serving.connect().get("/middle").rest().endswith(b"4\r\npart\r\n")
    serving.log.wait("mine")


def test_client_that_leaves_closes_the_iterable(bridge: Callable[..., Serving]) -> None:
    closed = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield bytes(65536)
        finally:
            closed.set()

    client = bridge(app).connect().get()
    client.until(b"\r\n\r\n")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    assert closed.wait(WAIT_S)


def test_context_variables_are_those_of_one_request(bridge: Callable[..., Serving]) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield variable.get().encode()
        variable.set("leaked")
        yield b" " + variable.get().encode()

    client = bridge(app, sync_threads=1).connect()
    assert [client.get().answer()[2] for _ in range(3)] == [b"unset leaked"] * 3


def test_file_wrapper_sends_the_file(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "200000")])
        return environ["wsgi.file_wrapper"](BytesIO(bytes(200_000)), 8192)  # type: ignore[no-any-return]

    assert len(bridge(app).connect().get().answer()[2]) == 200_000


def test_websocket_upgrade_is_an_ordinary_request(bridge: Callable[..., Serving]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("400 Bad Request", [])
        return [b"no WebSocket here"]

    headers = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    assert bridge(app).connect().get("/", *headers).answer()[0] == 400


def test_stop_does_not_wait_for_a_thread_for_ever(bridge: Callable[..., Serving]) -> None:
    called, release = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        called.set()
        release.wait(WAIT_S)
        start_response("200 OK", [])
        return []

    serving = bridge(app, graceful_timeout=1.0)
    serving.connect().get()
    assert called.wait(WAIT_S)
    serving.stop().wait_end()
    release.set()
