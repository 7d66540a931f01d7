"""Where the application is: the frames of a thread, a task or a greenlet, and the one line that matters among them."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Sequence
from functools import cache
from types import CodeType, FrameType
from typing import Any, Final

import hybrid

_HERE: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OURS: Final = (_HERE, os.path.dirname(os.path.abspath(hybrid.__file__)) + os.sep)
_MOST_FRAMES: Final = 200


def frames_of(frame: FrameType | None) -> list[FrameType]:
    """A frame and its callers, outermost first."""
    found: list[FrameType] = []
    while frame is not None and len(found) < _MOST_FRAMES:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def frames_of_awaitable(awaitable: Any) -> list[FrameType]:
    """The frames of a suspended coroutine, generator or async generator and of what it waits for, outermost first."""
    found: list[FrameType] = []
    while awaitable is not None and len(found) < _MOST_FRAMES:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(awaitable, prefix + "_frame", None)
            if frame is not None:
                found.append(frame)
                awaitable = getattr(awaitable, prefix + ("_yieldfrom" if prefix == "gi" else "_await"))
                break
        else:
            break
    return found


def application_frames(frames: Sequence[FrameType]) -> list[FrameType]:
    """Those below the last call of ours into foreign code, event loops left out; all, if none is foreign.

    The last: below a worker's own frames are those of the command line, which calls us by way of a library.
    """
    ours = [is_ours(frame) for frame in frames]
    at = next((at for at in range(len(frames) - 1, 0, -1) if ours[at - 1] and not ours[at]), None)
    if at is None:
        return list(frames)
    inside = list(frames[at:])
    while len(inside) > 1 and _is_event_loop(inside[0]):
        del inside[0]
    return inside


def root_of(frames: Sequence[FrameType]) -> FrameType | None:
    """The first frame that an asgi worker's loop has called. A later callback, or a later step, has another.

    Of steps that a turn takes one behind the other, the one that it is at: see hybrid_workers.asgi_turn.
    """
    for at, frame in enumerate(frames):
        if frame.f_code.co_name == "serve" and frame.f_code.co_filename.endswith("asgi.py"):
            below = frames[at + 1 :]
            step = next((index for index, one in enumerate(below) if one.f_code.co_name == "_take_steps"), -1)
            return next((one for one in (below[step + 1 :] or below) if not _is_event_loop(one)), None)
    return None


def site(frames: Sequence[FrameType]) -> str:
    """`file:line in function` of the innermost line of the application, and of what it called if that is a library."""
    if not frames:
        return "unknown"
    innermost = frames[-1]
    own = next((frame for frame in reversed(frames) if not _is_library(frame) and not is_ours(frame)), innermost)
    return _spell(own) if own is innermost else f"{_spell(own)} (called {_spell(innermost)})"


def listing(frames: Iterable[FrameType]) -> str:
    """As in a traceback, with the lines of source, outermost first."""
    return "".join(traceback.format_list(traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)))


def runs_inside(frame: FrameType | None, codes: frozenset[CodeType]) -> bool:
    """A call made by one of these functions is under way, itself not the innermost."""
    if frame is None or frame.f_code in codes:
        return False
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def is_ours(frame: FrameType) -> bool:
    """Code of this server."""
    return os.path.abspath(frame.f_code.co_filename).startswith(_OURS)


def _is_event_loop(frame: FrameType) -> bool:
    return "/asyncio/" in frame.f_code.co_filename


def _is_library(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith("<") or os.path.abspath(name).startswith(_libraries())


@cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # 300 KB and some ms, and only a stack needs it

    paths = sysconfig.get_paths().items()
    return tuple({os.path.abspath(path) + os.sep for name, path in paths if name.endswith("lib")})


def _spell(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
