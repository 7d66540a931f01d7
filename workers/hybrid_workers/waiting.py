"""What a worker's tasks or greenlets wait for, written into its black box beside the stacks of its threads.

A thread's stack shows who holds the loop, and of all others nothing. The arbiter asks a worker before it kills it;
where the loop is held for good, the thread that finds that out writes in its place. See `hybrid.contract.blackbox`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final

from hybrid.asgi import Cycle
from hybrid.contract import blackbox
from hybrid_workers.stacks import frames_of_awaitable

_MOST: Final = 64
_MOST_FRAMES: Final = 12

Waiting = tuple[str, list[FrameType]]
"""What it is called, and its frames, outermost first."""


def record(fd: int, kind: str, found: Callable[[], Iterable[Waiting]]) -> None:
    """Write into the box now. In any thread; never raises, for nobody could do anything about it."""
    try:
        os.write(fd, describe(kind, list(found())).encode("utf-8", "backslashreplace"))
    except (OSError, RuntimeError):  # no such descriptor; the loop goes on, and changes what we look at
        pass


def record_when_asked(fd: int, kind: str, found: Callable[[], Iterable[Waiting]]) -> None:
    """The same whenever the arbiter asks for the stacks, if Python code can still run. In the main thread."""
    blackbox.record_more(fd, lambda: record(fd, kind, found))


def describe(kind: str, found: list[Waiting]) -> str:
    """As the stacks of threads read, newest call first."""
    lines = [f"\n{len(found)} {kind} at {time.strftime('%H:%M:%S')} (most recent call first):"]
    for name, frames in found[:_MOST]:
        lines.append(f"{name}:")
        lines += [
            f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
            for frame in frames[: -_MOST_FRAMES - 1 : -1]
        ]
    if len(found) > _MOST:
        lines.append(f"and {len(found) - _MOST} more")
    return "\n".join(lines) + "\n"


def tasks_of(loop: asyncio.AbstractEventLoop) -> list[Waiting]:
    """The loop's tasks that are not done; those of requests first."""
    found = []
    for task in asyncio.all_tasks(loop):
        coroutine: Any = task.get_coro()
        frames = frames_of_awaitable(coroutine)
        request = _request(frames)
        name = f"Task {task.get_name()!r}" + (f" serving {request}" if request else "")
        found.append((not request, name, frames))
    return [(name, frames) for _, name, frames in sorted(found, key=lambda one: one[:2])]


def _request(frames: list[FrameType]) -> str:
    if not frames or frames[0].f_code is not Cycle.run.__code__:
        return ""
    cycle = frames[0].f_locals.get("self")
    if not isinstance(cycle, Cycle):
        return ""
    return f"{cycle.request.method} {cycle.request.target.decode('latin-1')[:200]}"
