"""Which frames of a stack are the application's, and the one line that matters among them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

from hybrid_workers import stacks
from hybrid_workers.stacks import application_frames, frames_of, frames_of_awaitable, root_of, runs_inside, site

OURS = stacks.__file__.replace("stacks.py", "made_up.py")


def stack_of(*layers: tuple[str, str]) -> list[FrameType]:
    """The frames of functions that call each other: (file, name) of each, outermost first."""
    found: list[FrameType] = []
    call: Callable[[], Any] = lambda: found.extend(frames_of(sys._getframe(1)))  # noqa: E731
    for file, name in reversed(layers):
        space: dict[str, Any] = {"call": call}
        exec(compile(f"def {name}():\n    return call()\n", file, "exec"), space)
        call = space[name]
    call()
    return found[-len(layers) :]


def names(frames: list[FrameType]) -> list[str]:
    return [frame.f_code.co_name for frame in frames]


def test_the_command_line_below_a_worker_is_not_the_applications() -> None:
    frames = stack_of(
        (OURS, "main"), ("/lib/click/core.py", "invoke"), (OURS, "run"), ("/srv/shop.py", "view"), ("/srv/db.py", "get")
    )
    assert names(application_frames(frames)) == ["view", "get"]


def test_an_application_that_waits_in_one_of_our_functions_is_shown_whole() -> None:
    frames = stack_of((OURS, "run"), ("/srv/shop.py", "view"), (OURS, "receive"))
    assert names(application_frames(frames)) == ["view", "receive"]


def test_the_event_loop_between_the_worker_and_a_task_is_left_out() -> None:
    loop = "/usr/lib/python3/asyncio/events.py"
    frames = stack_of((OURS, "serve"), (loop, "run_forever"), (loop, "_run"), ("/srv/shop.py", "task"))
    assert names(application_frames(frames)) == ["task"]


def test_a_stack_without_our_frames_is_shown_whole() -> None:
    frames = stack_of(("/srv/a.py", "one"), ("/srv/a.py", "two"))
    assert names(application_frames(frames)) == ["one", "two"]


def test_the_root_is_the_first_frame_that_the_loop_has_called() -> None:
    loop = "/usr/lib/python3/asyncio/events.py"
    frames = stack_of(
        (OURS.replace("made_up", "asgi"), "serve"), (loop, "run_forever"), ("/srv/a.py", "one"), ("/srv/a.py", "two")
    )
    assert root_of(frames) is frames[2]
    assert root_of(frames[:2]) is None
    assert root_of(frames[2:]) is None


def test_each_of_the_steps_that_a_turn_takes_is_a_root_of_its_own() -> None:
    turn = OURS.replace("made_up", "asgi_turn")
    frames = stack_of(
        (OURS.replace("made_up", "asgi"), "serve"),
        (asyncio.__file__, "run_forever"),
        (OURS.replace("made_up", "asgi_connection"), "data_received"),
        (turn, "run"),
        (turn, "_take_steps"),
        (asyncio.__file__, "step"),
        (OURS.replace("made_up", "cycle"), "run"),
        ("/srv/a.py", "app"),
    )
    assert root_of(frames) is frames[6]
    assert root_of(frames[:5]) is frames[2]


def test_the_line_that_matters_is_the_applications_and_names_the_library_that_it_called() -> None:
    library = asyncio.__file__
    frames = stack_of(("/srv/shop.py", "view"), (library, "sleep"))
    assert site(frames) == f"/srv/shop.py:2 in view (called {library}:2 in sleep)"
    assert site(frames[:1]) == "/srv/shop.py:2 in view"
    assert site([]) == "unknown"


def test_a_call_is_inside_while_something_below_it_runs() -> None:
    frames = stack_of(("/srv/a.py", "outer"), ("/srv/a.py", "inner"))
    codes = frozenset({frames[0].f_code})
    assert runs_inside(frames[1], codes)
    assert not runs_inside(frames[0], codes), "its own code is not the application's"
    assert not runs_inside(None, codes)


def test_a_suspended_coroutine_shows_what_it_awaits() -> None:
    class Never:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def inner() -> None:
        await Never()

    async def outer() -> None:
        await inner()

    coroutine = outer()
    coroutine.send(None)
    assert names(frames_of_awaitable(coroutine))[:2] == ["outer", "inner"]
    coroutine.close()
    assert frames_of_awaitable(coroutine) == []
    assert frames_of_awaitable(None) == []


def test_frames_are_outermost_first() -> None:
    frame = sys._getframe()
    assert frames_of(frame)[-1] is frame
    assert frames_of(None) == []
