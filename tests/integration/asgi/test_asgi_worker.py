"""The life of an asgi worker: capacity, retirement, and every way to stop."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hybrid.contract import Draining, Message, Retire
from hybrid.contract.scoreboard import Word
from hybrid.errors import HybridError, WorkerBootError

from .conftest import WAIT_S, Serve, Serving

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class App:
    """Answers; speaks lifespan; waits where a test wants it to."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.called = threading.Semaphore(0)
        self.loop: asyncio.AbstractEventLoop
        self.gate: asyncio.Event
        self.shutdown_fails = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.called.release()
        match scope["path"]:
            case "/wait":
                await self.gate.wait()
            case "/stream":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"begun", "more_body": True})
                while (await receive())["type"] != "http.disconnect":
                    pass
                self.events.append("told to leave")
                await send({"type": "http.response.body", "body": b"ended"})
                return
            case "/stuck":
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    self.events.append("cancelled")
                    raise
        body = f"{VARIABLE.get()} {scope['state'].get('pool')}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        self.loop = asyncio.get_running_loop()
        self.gate = asyncio.Event()
        VARIABLE.set("startup")
        scope["state"]["pool"] = "pool"
        self.events.append("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.events.append("shutdown")
        outcome = "failed" if self.shutdown_fails else "complete"
        await send({"type": f"lifespan.shutdown.{outcome}", "message": "not flushed"})

    def wait_called(self) -> None:
        assert self.called.acquire(timeout=WAIT_S), "the application was not called"

    def open_gate(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.set)


@pytest.fixture
def app() -> App:
    return App()


def wait_message(serving: Serving, kind: type[Message]) -> None:
    """Until the worker has sent this to its arbiter."""
    import select

    while select.select([serving.arbiter], [], [], WAIT_S)[0]:
        if any(isinstance(message, kind) for message in serving.arbiter.receive()):
            return
    raise AssertionError(f"no {kind.__name__} on the channel")


# -- boot ---------------------------------------------------------------------------------------------


def test_requests_see_the_state_and_the_context_of_startup(serve: Serve, app: App) -> None:
    assert serve(app).connect().get().answer()[2] == b"startup pool"


def test_failed_startup_fails_the_boot(serve: Serve) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(WorkerBootError, match="no database"):
        serve(app)


def test_double_callable_is_served(serve: Serve) -> None:
    class Asgi2:
        def __init__(self, scope: dict[str, Any]) -> None:
            assert scope["type"] == "http"

        async def __call__(self, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"two"})

    assert serve(Asgi2, interface="asgi2").connect().get().answer()[2] == b"two"


def test_threads_of_frameworks_are_limited_by_sync_threads(serve: Serve) -> None:
    from anyio import to_thread

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        tokens = to_thread.current_default_thread_limiter().total_tokens
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(tokens).encode()})

    assert serve(app, sync_threads=7).connect().get().answer()[2] == b"7"


# -- capacity -----------------------------------------------------------------------------------------


def test_no_more_connections_are_accepted_than_there_is_room_for(serve: Serve, app: App) -> None:
    serving = serve(app, worker_connections=2)
    first, second, third = serving.connect(), serving.connect(), serving.connect()
    first.get().answer()
    second.get().answer()
    third.get()
    third.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        third.socket.recv(1)
    third.socket.settimeout(WAIT_S)
    first.close()
    assert third.answer()[0] == 200


def test_more_requests_than_the_limit_are_told_to_come_back(serve: Serve, app: App) -> None:
    serving = serve(app, limit_concurrency=1)
    busy, other = serving.connect(), serving.connect()
    busy.get("/wait")
    app.wait_called()
    status, headers, _ = other.get().answer()
    assert (status, headers["retry-after"]) == (503, "1")
    app.open_gate()
    assert busy.answer()[0] == 200
    assert other.get().answer()[0] == 200


def test_worker_asks_once_for_a_successor_and_serves_on(serve: Serve, app: App) -> None:
    serving = serve(app, max_requests=3)
    client = serving.connect()
    for _ in range(3):
        assert client.get().answer()[0] == 200
    wait_message(serving, Retire)
    assert client.get().answer()[0] == 200


def test_scoreboard_shows_the_request_in_flight_and_counts_it_after(serve: Serve, app: App) -> None:
    serving = serve(app)
    client = serving.connect()
    client.get("/wait?x=1")
    app.wait_called()
    (found,) = serving.row.in_flight()
    assert (found.method, found.target) == ("GET", "/wait?x=1")
    app.open_gate()
    client.answer()
    serving.stop().wait_end()
    assert serving.row.in_flight() == []
    assert serving.row.words[Word.REQUESTS] == 1
    assert serving.row.words[Word.ACCEPTED] == 1


# -- stop ---------------------------------------------------------------------------------------------


def test_graceful_stop_finishes_what_is_under_way_and_closes_after_it(serve: Serve, app: App) -> None:
    serving = serve(app)
    client = serving.connect()
    client.get("/wait")
    app.wait_called()
    serving.stop()
    wait_message(serving, Draining)
    app.open_gate()
    status, headers, _ = client.answer()
    assert (status, headers["connection"]) == (200, "close")
    serving.wait_end()
    assert app.events == ["startup", "shutdown"]
    assert serving.failure is None


def test_request_on_its_way_when_the_worker_stops_is_served(serve: Serve, app: App) -> None:
    serving = serve(app)
    kept, fresh = serving.connect(), serving.connect()
    kept.get().answer()
    fresh.send(b"GET / HTTP/1.1\r\nHo")
    serving.stop()
    wait_message(serving, Draining)
    assert kept.get().answer()[0] == 200
    assert fresh.send(b"st: a\r\n\r\n").answer()[0] == 200
    serving.wait_end()


def test_idle_connections_do_not_hold_up_a_stop(serve: Serve, app: App) -> None:
    serving = serve(app)
    kept, silent = serving.connect(), serving.connect()
    kept.get().answer()
    serving.stop().wait_end()
    assert (kept.rest(), silent.rest()) == (b"", b"")


def test_stream_is_told_to_leave_and_may_say_goodbye(serve: Serve, app: App) -> None:
    serving = serve(app, graceful_timeout=2.0)
    client = serving.connect().get("/stream")
    app.wait_called()
    client.until(b"begun\r\n")
    serving.stop()
    assert client.rest().endswith(b"5\r\nended\r\n0\r\n\r\n")
    serving.wait_end()
    assert app.events == ["startup", "told to leave", "shutdown"]


def test_request_that_never_ends_is_cancelled_and_shutdown_still_runs(serve: Serve, app: App) -> None:
    serving = serve(app, graceful_timeout=1.0)
    serving.connect().get("/stuck")
    app.wait_called()
    serving.stop().wait_end()
    assert app.events == ["startup", "cancelled", "shutdown"]
    serving.log.wait("cancelling: GET /stuck")


def test_quick_stop_waits_for_no_request_and_still_runs_shutdown(serve: Serve, app: App) -> None:
    serving = serve(app, graceful_timeout=60.0)
    serving.connect().get("/stuck")
    app.wait_called()
    serving.stop(graceful=False).wait_end()
    assert app.events == ["startup", "cancelled", "shutdown"]


def test_second_stop_hardens_the_first(serve: Serve, app: App) -> None:
    serving = serve(app, graceful_timeout=60.0)
    serving.connect().get("/stuck")
    app.wait_called()
    serving.stop()
    wait_message(serving, Draining)
    serving.stop(graceful=False).wait_end()
    assert app.events == ["startup", "cancelled", "shutdown"]


def test_death_of_the_arbiter_is_a_graceful_stop(serve: Serve, app: App) -> None:
    serving = serve(app)
    client = serving.connect()
    client.get("/wait")
    app.wait_called()
    serving.arbiter.close()
    app.open_gate()
    assert client.answer()[0] == 200
    serving.wait_end()
    assert app.events == ["startup", "shutdown"]


def test_stop_asked_for_before_serving_begins_is_not_lost(serve: Serve) -> None:
    events: list[str] = []
    held: list[Serving] = []

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        held[0].worker.stop(graceful=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    original = Serving.start

    def start(self: Serving) -> Serving:
        held.append(self)
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Serving, "start", start)
        serving = serve(app)
    serving.wait_end()
    assert events == ["shutdown"]


def test_failed_shutdown_is_a_failure_of_the_worker(serve: Serve, app: App) -> None:
    app.shutdown_fails = True
    serving = serve(app)
    serving.stop().wait_end()
    assert isinstance(serving.failure, HybridError)
    serving.log.wait("not flushed")


def test_client_that_never_reads_does_not_hold_up_a_stop(serve: Serve, app: App) -> None:
    async def flood(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        app.called.release()
        while True:
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})

    serving = serve(flood, graceful_timeout=1.0)
    client = serving.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.get()
    app.wait_called()
    serving.stop().wait_end()
