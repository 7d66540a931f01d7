"""The session over a transport of our own: what needs a moment that a real connection gives only now and then."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest

from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes
from hybrid.settings import Settings
from hybrid.websocket import frames, read_opening
from hybrid_workers.asgi_websocket import BURST, WebSocketSession

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

HEAD = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Wire:
    """A transport that keeps what is written, and drops it once closing, as transports do."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.is_reading = True
        self.has_eof = False
        self.is_closed = False

    def write(self, data: bytes) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_eof = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken, self.written = self.written, b""
        return taken


class Row:
    def begin(self, *args: object) -> int:
        return 0

    def end(self, cell: int) -> None:
        pass


class Service:
    """What a session uses of hybrid_workers.asgi_service.Service."""

    def __init__(self, app: Callable[..., Awaitable[None]], settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.prefixes = Prefixes(date=False)
        self.log = logging.getLogger("test")
        self.row = Row()
        self.access = None
        self.connections: set[object] = set()
        self.running: set[object] = set()
        self.shedder = None
        self.answered = self.errors = 0
        self.deadlines = Deadlines()
        self.is_closing_each = False

    def call(self, session: WebSocketSession, coroutine: Coroutine[Any, Any, None]) -> None:
        self.running.add(session)
        session.task = self.loop.create_task(coroutine, context=contextvars.copy_context())

    def on_connection_closed(self) -> None:
        pass


def connected(
    app: Callable[..., Awaitable[None]], *, is_stopping: bool = False, **settings: Any
) -> tuple[WebSocketSession, Wire]:
    request = HeadParser(H11Fields(), Limits()).parse(HEAD)
    request.client = ("127.0.0.1", 1)
    wire = Wire()
    service = cast("Any", Service(app, Settings(**settings)))  # has what a session uses
    service.is_closing_each = is_stopping
    session = WebSocketSession(service, cast("Any", wire), request, read_opening(request, deflate=False))
    session.begin({"type": "http", "method": "GET", "scheme": "http"}, Peer(("127.0.0.1", 1), ("127.0.0.1", 80)), b"")
    return session, wire


async def accepted(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def ended(session: WebSocketSession) -> None:
    assert session.task is not None
    await session.task


def message(text: bytes) -> bytes:
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def test_application_that_sends_without_end_lets_the_loop_run() -> None:
    """A transport that is closing takes everything and never says that it is full."""
    sent = 0

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        nonlocal sent
        await accepted(receive, send)
        while True:
            await send({"type": "websocket.send", "text": "x"})
            sent += 1

    async def main() -> None:
        session, wire = connected(app)
        wire.close()
        asyncio.get_running_loop().call_soon(session.connection_lost, None)
        await ended(session)

    asyncio.run(main())
    assert sent <= 2 * BURST


def test_loss_wakes_everybody_who_waits() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)

        async def read() -> None:
            seen.append((await receive())["type"])

        async def write() -> None:
            with pytest.raises(OSError, match="closed"):
                await send({"type": "websocket.send", "bytes": b"y"})
            seen.append("OSError")

        await asyncio.gather(read(), read(), write())

    async def main() -> None:
        session, wire = connected(app)
        await asyncio.sleep(0)
        session.pause_writing()
        for _ in range(5):
            await asyncio.sleep(0)
        wire.close()
        session.connection_lost(None)
        await ended(session)

    asyncio.run(main())
    assert sorted(seen) == ["OSError", "websocket.disconnect", "websocket.disconnect"]


def test_cancelled_receive_loses_no_message_even_when_it_was_just_woken() -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        session.data_received(message(b"precious"))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        got.append((await receive())["text"])

    async def main() -> None:
        nonlocal session
        session, _ = connected(app)
        await ended(session)

    session: Any = None
    asyncio.run(main())
    assert got == ["precious"]


def test_slow_reader_gets_one_pong_for_all_its_pings() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        await receive()

    async def main() -> None:
        session, wire = connected(app)
        await asyncio.sleep(0)
        wire.taken()
        session.pause_writing()
        for number in range(100):
            session.data_received(bytes((0x89, 0x81, 0, 0, 0, 0, number)))
        assert wire.taken() == b""
        session.resume_writing()
        assert wire.taken() == frames.pong(bytes((99,)))
        session.connection_lost(None)
        await ended(session)

    asyncio.run(main())


def test_flood_of_messages_stops_reading_until_the_application_has_taken_them() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        await release.wait()
        for _ in range(10):
            await receive()
        taken.set()
        await receive()

    async def main() -> None:
        nonlocal release, taken
        release, taken = asyncio.Event(), asyncio.Event()
        session, wire = connected(app, ws_max_queue=4)
        await asyncio.sleep(0)
        session.data_received(message(b"m") * 10)
        assert not wire.is_reading
        release.set()
        await taken.wait()
        assert wire.is_reading
        session.connection_lost(None)
        await ended(session)

    release: Any = None
    taken: Any = None
    asyncio.run(main())


def test_worker_that_stops_refuses_a_handshake_that_is_not_answered_yet() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(await receive())

    async def main() -> None:
        session, wire = connected(app)
        await asyncio.sleep(0)
        session.stop()
        assert wire.taken().startswith(b"HTTP/1.1 503 ")
        assert wire.has_eof
        await ended(session)

    asyncio.run(main())
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


def test_worker_that_stops_takes_no_new_connection() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise AssertionError("must not be called")

    async def main() -> None:
        session, wire = connected(app, is_stopping=True)
        assert wire.taken().startswith(b"HTTP/1.1 503 ")
        assert session.task is None

    asyncio.run(main())


def test_cancelled_application_closes_with_1012_and_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        await asyncio.Event().wait()

    async def main() -> None:
        session, wire = connected(app)
        await asyncio.sleep(0)
        wire.taken()
        session.cancel()
        await ended(session)
        assert wire.taken() == frames.close(1012)

    asyncio.run(main())
    assert not caplog.records


def test_client_that_does_not_finish_closing_is_dropped() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await accepted(receive, send)

    async def main() -> None:
        session, wire = connected(app)
        await asyncio.sleep(0)
        await ended(session)
        assert not wire.is_closed
        now = asyncio.get_running_loop().time()
        session.sweep(now + 1)
        assert not wire.is_closed
        session.sweep(now + 60)
        assert wire.is_closed

    asyncio.run(main())
