"""Lifespan: which applications support it, what a failure is, and what requests inherit."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hybrid.asgi import Lifespan, single_callable
from hybrid.errors import WorkerBootError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def errors(self) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno >= logging.ERROR]


@pytest.fixture
def lines() -> Lines:
    return Lines()


def play(app: Any, lines: Lines, mode: str = "auto") -> tuple[Lifespan, bool]:
    """Startup, then shutdown: (the lifespan, whether shutdown was clean)."""
    log = logging.Logger("test")
    log.addHandler(lines)

    async def run() -> tuple[Lifespan, bool]:
        lifespan = Lifespan(app, mode, log)
        await lifespan.startup()
        return lifespan, await lifespan.shutdown()

    return asyncio.run(run())


def speaker(*, startup: dict[str, Any] | None = None, shutdown: dict[str, Any] | None = None) -> Any:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        assert (await receive()) == {"type": "lifespan.startup"}
        VARIABLE.set("set in startup")
        scope["state"]["pool"] = "a pool"
        await send(startup or {"type": "lifespan.startup.complete"})
        assert (await receive()) == {"type": "lifespan.shutdown"}
        await send(shutdown or {"type": "lifespan.shutdown.complete"})

    return app


def test_startup_then_shutdown(lines: Lines) -> None:
    lifespan, is_clean = play(speaker(), lines)
    assert is_clean
    assert lifespan.state == {"pool": "a pool"}
    assert lines.errors == []


def test_context_of_the_call_is_what_requests_start_from(lines: Lines) -> None:
    lifespan, _ = play(speaker(), lines)
    assert lifespan.context.copy().run(VARIABLE.get) == "set in startup"
    assert VARIABLE.get() == "unset"


def test_startup_failed_ends_the_boot_with_its_message(lines: Lines) -> None:
    failed = {"type": "lifespan.startup.failed", "message": "no database"}
    for mode in ("auto", "on"):
        with pytest.raises(WorkerBootError, match="no database"):
            play(speaker(startup=failed), lines, mode)


def test_exception_before_receive_means_unsupported_unless_it_is_on(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        raise ValueError("only http")

    _, is_clean = play(app, lines)
    assert is_clean
    assert lines.errors == []
    with pytest.raises(WorkerBootError, match="only http") as caught:
        play(app, lines, "on")
    assert isinstance(caught.value.__cause__, ValueError)


def test_exception_after_receive_is_fatal_in_auto_too(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("no database")

    with pytest.raises(WorkerBootError, match="ValueError: no database"):
        play(app, lines)


def test_application_that_answers_every_scope_with_a_page_is_unsupported(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200})

    assert play(app, lines)[1]


def test_return_without_an_answer_is_unsupported_only_if_nothing_was_received(lines: Lines) -> None:
    async def at_once(scope: dict[str, Any], receive: Receive, send: Send) -> None: ...

    async def later(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()

    assert play(at_once, lines)[1]
    with pytest.raises(WorkerBootError, match="without sending lifespan"):
        play(later, lines)


def test_off_never_calls_the_application(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        raise AssertionError("called")

    assert play(app, lines, "off")[1]


def test_shutdown_failed_is_logged_and_not_clean(lines: Lines) -> None:
    failed = {"type": "lifespan.shutdown.failed", "message": "queue not flushed"}
    assert not play(speaker(shutdown=failed), lines)[1]
    assert "queue not flushed" in lines.errors[0]


def test_exception_in_shutdown_is_logged_and_not_clean(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ValueError("in shutdown")

    assert not play(app, lines)[1]
    assert len(lines.errors) == 1


def test_return_after_startup_is_no_failure(lines: Lines) -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    assert play(app, lines)[1]
    assert lines.errors == []


def test_second_answer_is_an_error_to_the_application(lines: Lines) -> None:
    raised: list[BaseException] = []

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await send({"type": "lifespan.startup.complete"})
        except RuntimeError as error:
            raised.append(error)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    assert play(app, lines)[1]
    assert len(raised) == 1


def test_double_callable_is_called_once_per_scope(lines: Lines) -> None:
    class Asgi2:
        def __init__(self, scope: dict[str, Any]) -> None:
            self.scope = scope

        async def __call__(self, receive: Receive, send: Send) -> None:
            await speaker()(self.scope, receive, send)

    assert play(single_callable(Asgi2), lines, "on")[1]
