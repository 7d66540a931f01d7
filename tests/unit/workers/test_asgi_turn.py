"""Requests of one turn of the loop, served step by step. Event loop and tasks are real, connections are played."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from typing import Any, cast

import pytest

from hybrid.errors import DeadlineExceeded
from hybrid_workers import asgi_turn
from hybrid_workers.asgi import new_loop
from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_outbox import Outbox, Sender
from hybrid_workers.asgi_turn import MOST_AT_ONCE, Turn

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class Transport:
    def __init__(self) -> None:
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


class Played(HttpConnection):
    """Notes what it is told, and makes the call that it is given."""

    def __init__(self, turn: Turn, events: list[str], name: str, call: Coroutine[Any, Any, None] | None = None) -> None:
        self.turn = turn
        self.events = events
        self.name = name
        self.call = call
        self.is_asked = False
        self.fails_at = ""
        self.fails_with: BaseException = ZeroDivisionError()
        self.task: asyncio.Task[None] | None = None
        self.transport: Any = Transport()

    def look(self) -> None:
        self._note("look")
        self.is_asked = self.call is not None

    def go_ahead(self) -> None:
        self._note("go ahead")
        if self.is_asked:
            self.turn.queue(self)

    def set_out(self) -> None:
        self._note("set out")
        assert self.call is not None
        self.turn.begin(cast("Any", self), self.call)

    def _note(self, what: str) -> None:
        self.events.append(f"{what} {self.name}")
        if self.fails_at == what:
            raise self.fails_with


class Stage:
    def __init__(self, kind: str) -> None:
        self.loop = new_loop(kind)
        self.events: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, what: self.told.append(what))
        context = contextvars.copy_context()
        self.outbox = Outbox(self.loop, context)
        self.turn = Turn(self.loop, context, self.outbox)

    def add(self, name: str, call: Coroutine[Any, Any, None] | None = None) -> Played:
        connection = Played(self.turn, self.events, name, call)
        self.turn.add(connection)
        return connection

    def turns(self, count: int = 3) -> None:
        async def wait() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    async def call(self, name: str, *waits: asyncio.Future[None]) -> None:
        assert WHO.get() == "nobody"
        WHO.set(name)
        task = asyncio.current_task()
        assert task is not None
        assert task in asyncio.all_tasks()
        self.events.append(f"call {WHO.get()}")
        for future in waits:
            await future
            assert asyncio.current_task() is task
            self.events.append(f"go on {WHO.get()}")


@pytest.fixture(params=["asyncio", "uvloop"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(request.param)
    yield made
    assert "call_soon" not in vars(made.loop)
    made.loop.close()


def test_each_step_is_done_for_all_before_the_next(stage: Stage) -> None:
    first, second = stage.add("a", stage.call("a")), stage.add("b", stage.call("b"))
    assert stage.events == []  # not in the turn of the loop that brought them
    stage.turns()
    assert stage.events == [f"{step} {name}" for step in ("look", "go ahead", "set out", "call") for name in ("a", "b")]
    assert first.task is not None
    assert second.task is not None
    assert first.task.done()
    assert second.task.done()


def test_a_call_that_waits_goes_on_as_any_task(stage: Stage) -> None:
    future: asyncio.Future[None] = stage.loop.create_future()
    waiting, other = stage.add("a", stage.call("a", future)), stage.add("b", stage.call("b"))
    stage.turns()
    assert stage.events[-2:] == ["call a", "call b"]
    assert waiting.task is not None
    assert other.task is not None
    assert (waiting.task.done(), other.task.done()) == (False, True)
    future.set_result(None)
    stage.loop.run_until_complete(waiting.task)
    assert stage.events[-1] == "go on a"


def test_a_call_that_waits_can_be_cancelled(stage: Stage) -> None:
    waiting = stage.add("a", stage.call("a", stage.loop.create_future()))
    stage.turns()
    assert waiting.task is not None
    waiting.task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        stage.loop.run_until_complete(waiting.task)


@pytest.mark.parametrize("error", [ZeroDivisionError(), DeadlineExceeded()])
@pytest.mark.parametrize("step", ["look", "go ahead", "set out"])
def test_what_one_connection_raises_ends_that_one_alone(stage: Stage, step: str, error: BaseException) -> None:
    before = stage.add("before", stage.call("before"))
    bad = stage.add("bad", stage.call("bad"))
    bad.fails_at, bad.fails_with = step, error
    behind = stage.add("behind", stage.call("behind"))
    stage.turns()
    assert stage.events[-2:] == ["call before", "call behind"]
    assert [one.transport.is_aborted for one in (before, bad, behind)] == [False, True, False]
    (told,) = stage.told
    assert told["exception"] is error
    assert bad.call is not None
    bad.call.close()


def test_a_call_for_which_there_is_no_task_is_told_and_stops_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asyncio.Task
    results: list[Any] = [MemoryError()]

    def task(*args: Any, **named: Any) -> asyncio.Task[None]:
        if results:
            raise results.pop()
        return made(*args, **named)

    monkeypatch.setattr(asgi_turn, "_Task", task)
    bad, behind = stage.add("bad", stage.call("bad")), stage.add("behind", stage.call("behind"))
    stage.turns()
    assert stage.events[-1] == "call behind"
    assert (bad.task is None, behind.task is None) == (True, False)
    (told,) = stage.told
    assert isinstance(told["exception"], MemoryError)
    assert bad.call is not None
    bad.call.close()


def test_what_ends_the_loop_does_not_lose_the_calls_behind_it(stage: Stage) -> None:
    async def leave() -> None:
        raise KeyboardInterrupt

    stage.add("a", leave())
    later = stage.add("b", stage.call("b"))
    with pytest.raises(KeyboardInterrupt):
        stage.turns()
    stage.turns()
    assert stage.events[-1] == "call b"
    assert later.task is not None
    assert later.task.done()


def test_many_are_not_kept_waiting_for_each_other(stage: Stage) -> None:
    for number in range(MOST_AT_ONCE - 1):
        stage.add(str(number))
    assert stage.events == []
    stage.add("last")
    assert len(stage.events) == 2 * MOST_AT_ONCE
    stage.add("next")
    stage.turns()
    assert stage.events[-2:] == ["look next", "go ahead next"]


def test_a_finalizer_that_runs_while_a_task_is_made_calls_the_loop_itself(stage: Stage) -> None:
    """The garbage collector may run at any allocation; what it finalizes may want something of the loop."""

    class Coroutine:
        """Asks the loop for something when the task takes it."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __await__(self) -> Any:
            return self._inner.__await__()

        def send(self, value: Any) -> Any:
            return self._inner.send(value)

        def throw(self, *error: Any) -> Any:
            return self._inner.throw(*error)

        def close(self) -> None:
            self._inner.close()

        @property
        def __class__(self) -> Any:
            stage.loop.call_soon(stage.events.append, "finalized")
            return type(self._inner)

    made = stage.add("a", Coroutine(stage.call("a")))  # type: ignore[arg-type]
    stage.turns()
    assert "finalized" in stage.events
    assert stage.events.count("call a") == 1
    assert made.task is not None
    assert made.task.done()


def test_what_an_application_has_made_of_call_soon_stays(stage: Stage) -> None:
    ours = stage.loop.call_soon
    asked: list[object] = []

    def patched(callback: Any, *args: Any, context: Any = None) -> Any:
        asked.append(callback)
        return ours(callback, *args, context=context)

    stage.loop.call_soon = patched  # type: ignore[method-assign]
    stage.add("a", stage.call("a"))
    stage.turns()
    assert vars(stage.loop)["call_soon"] is patched
    assert stage.events[-1] == "call a"
    assert asked
    del stage.loop.call_soon


def test_a_turn_within_a_step_takes_its_own_steps(stage: Stage) -> None:
    """As where an application runs its loop from within."""

    async def nest() -> None:
        stage.events.append("outer")
        stage.turn.add(Played(stage.turn, stage.events, "inner"))
        stage.turn.run()

    stage.add("a", nest())
    stage.add("b", stage.call("b"))
    stage.turns()
    assert stage.events[-4:] == ["outer", "look inner", "go ahead inner", "call b"]


def test_answers_leave_at_the_end_of_the_turn_and_nothing_else_is_asked_of_the_loop(stage: Stage) -> None:
    class Out:
        def write(self, data: bytes) -> None:
            stage.events.append(data.decode())

    async def answer() -> None:
        stage.events.append("call")
        sender = Sender()
        sender.unsent = b"answer"
        sender.transport = cast("Any", Out())
        stage.outbox.add(sender, 1.0)

    asked: list[object] = []
    stage.outbox._call_soon = lambda callback, **context: asked.append(callback)  # type: ignore[assignment,misc]
    stage.add("a", answer())
    stage.add("b", answer())
    stage.turns()
    assert asked == []
    assert stage.events[-4:] == ["call", "call", "answer", "answer"]
