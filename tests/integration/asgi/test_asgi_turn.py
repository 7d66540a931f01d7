"""Requests that an asgi worker finds all at once, on connections that it knows: each is served as if it were alone."""

from __future__ import annotations

import asyncio
import contextvars
import struct
import threading
from collections.abc import Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from .conftest import WAIT_S, Client, Serve, Serving

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MARK: contextvars.ContextVar[str] = contextvars.ContextVar("MARK", default="")


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {'A' * 22}==",
)


class Held:
    """An application that can hold its loop, so that what is sent meanwhile comes in one turn of it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] in ("http", "websocket")
        path: str = scope["path"]
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            if path == "/ws/count":
                message = await receive()
                await send({"type": "websocket.send", "text": f"{len(message['bytes'])} bytes"})
            await send({"type": "websocket.send", "text": "hello"})
            await send({"type": "websocket.close"})
            return
        if path == "/hold":
            self.entered.set()
            assert self.released.wait(WAIT_S)
        assert MARK.get() == ""
        MARK.set(path)
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        if path.startswith("/wait"):
            await asyncio.sleep(0)
        if path == "/boom":
            raise ZeroDivisionError("of the application")
        assert MARK.get() == path
        text = path.encode() + body[:1_000_000]
        length = (b"content-length", b"%d" % len(text))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
def stage(serve: Serve) -> tuple[Held, Serving]:
    app = Held()
    return app, serve(app)


def known(serving: Serving, count: int) -> list[Client]:
    """Connections that have had requests enough to be on a transport of the loop's."""
    clients = [serving.connect() for _ in range(count)]
    for _ in range(3):
        for client in clients:
            client.get("/before")
            assert client.answer()[2] == b"/before"
    return clients


def held(app: Held, serving: Serving) -> Client:
    client = serving.connect().get("/hold")
    assert app.entered.wait(WAIT_S)
    return client


def test_each_gets_its_own_answer(stage: tuple[Held, Serving]) -> None:
    app, serving = stage
    clients = known(serving, 100)
    holding = held(app, serving)
    for number, client in enumerate(clients):
        client.get(f"/{'wait' if number % 3 else 'now'}/{number}")
    app.released.set()
    assert holding.answer()[2] == b"/hold"
    for number, client in enumerate(clients):
        assert client.answer()[2] == f"/{'wait' if number % 3 else 'now'}/{number}".encode()
    assert not serving.log.errors


def test_what_is_wrong_with_one_is_no_matter_to_the_others(stage: tuple[Held, Serving]) -> None:
    app, serving = stage
    malformed, partial, pipelined, failing, finished, posting, switching, plain = known(serving, 8)
    holding = held(app, serving)
    malformed.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
    partial.send(b"GET /par")
    pipelined.get("/one").get("/two")
    failing.get("/boom")
    finished.get("/finished").finish()
    posting.send(b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nbo")
    switching.get("/ws", *UPGRADE)
    plain.get("/plain")
    app.released.set()
    assert holding.answer()[0] == 200
    assert malformed.answer()[0] == 400
    assert plain.answer()[2] == b"/plain"
    assert [pipelined.answer()[2] for _ in range(2)] == [b"/one", b"/two"]
    assert failing.answer()[0] == 500
    assert finished.answer()[2] == b"/finished"
    posting.send(b"dies")
    assert posting.answer()[2] == b"/postbodies"
    partial.send(b"tial HTTP/1.1\r\nHost: a\r\n\r\n")
    assert partial.answer()[2] == b"/partial"
    for client in (pipelined, posting, plain, partial):  # they are kept
        assert client.get("/after").answer()[2] == b"/after"
    assert switching.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert b"\x81\x05hello" in switching.rest()
    for client in (malformed, finished, failing):
        assert client.rest() == b""


def test_a_client_that_resets_right_behind_its_request_is_no_matter_either(stage: tuple[Held, Serving]) -> None:
    app, serving = stage
    leaving, staying = known(serving, 2)
    holding = held(app, serving)
    leaving.get("/leaving").socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    leaving.close()
    staying.get("/staying")
    app.released.set()
    assert holding.answer()[0] == 200
    assert staying.answer()[2] == b"/staying"
    assert staying.get("/after").answer()[2] == b"/after"
    assert not serving.log.errors


def test_a_stop_answers_those_that_came_just_before(stage: tuple[Held, Serving]) -> None:
    app, serving = stage
    clients = known(serving, 20)
    holding = held(app, serving)
    for client in clients:
        client.get("/last")
    serving.stop()
    app.released.set()
    assert holding.answer()[2] == b"/hold"
    for client in clients:
        assert client.answer()[2] == b"/last"
        assert client.rest() == b""
    serving.wait_end()


def test_more_than_64_kilobytes_at_once_are_one_request_and_its_body(stage: tuple[Held, Serving]) -> None:
    """A loop may tell of what a socket has in pieces, one behind the other."""
    app, serving = stage
    big, small = known(serving, 2)
    holding = held(app, serving)
    body = b"0123456789abcdef" * 20_000
    sender = threading.Thread(
        target=big.send, args=(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body,)
    )
    sender.start()
    small.get("/small")
    app.released.set()
    assert holding.answer()[0] == 200
    assert small.answer()[2] == b"/small"
    assert big.answer()[2] == b"/p" + body
    sender.join(WAIT_S)


def test_what_comes_right_behind_the_opening_of_a_websocket_is_its_own_however_much_it_is(
    stage: tuple[Held, Serving],
) -> None:
    app, serving = stage
    (client,) = known(serving, 1)
    for _ in range(4):  # so that the kernel will take much for this connection
        client.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + bytes(8_000_000))
        assert client.answer()[0] == 200
    holding = held(app, serving)
    opening = "\r\n".join(["GET /ws/count HTTP/1.1", "Host: a", *UPGRADE, "", ""]).encode()
    frame = b"\x82\xff" + (400_000).to_bytes(8, "big") + bytes(4) + bytes(400_000)
    sender = threading.Thread(target=client.send, args=(opening + frame,))
    sender.start()
    sender.join(1.0)  # it may be more than the sockets take before the loop is let go
    app.released.set()
    assert holding.answer()[0] == 200
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert b"400000 bytes" in client.rest()
    sender.join(WAIT_S)
