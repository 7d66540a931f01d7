"""The request deadline, `--timeout`: what is done, in which order, and what is said of it. See docs/decisions/010.

A request that has no byte of its response out when its time is over is *ended* first: something is raised in the
application, and its clean-up runs. If END_S later it is still there, it *cannot be ended*: its client gets the
504 without it, and the arbiter is asked for a successor, which takes over while the other requests finish.
How to raise is each worker's; when, and the words, are here.
"""

from __future__ import annotations

import ctypes
import logging
import signal
from collections.abc import Sequence
from enum import IntEnum
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol

from hybrid.contract import Retire
from hybrid.errors import DeadlineExceeded
from hybrid.http.request import Request
from hybrid_workers.stacks import application_frames, listing, site

if TYPE_CHECKING:
    from hybrid.contract import WorkerContext
    from hybrid_workers.call import Call

END_S: Final = 1.0
"""From the attempt to end a request until it counts as one that cannot be ended."""
INTERRUPT: Final[int | None] = signal.SIGRTMIN + 11 if hasattr(signal, "SIGRTMIN") else None
"""What the main thread is interrupted with; None where there are no real-time signals."""
BEAT_AHEAD_S: Final = 3.0
"""Beats are stamped so far ahead: a worker that is stuck in a request gets this much above --timeout to put it right
itself, before its silence is the arbiter's business."""


class Step(IntEnum):
    """How far it has come with one request."""

    NONE = 0
    ENDING = 1
    SEALED = 2
    """It can write no more, and soon we shall answer in its place."""
    GIVEN_UP = 3


def due(step: Step, step_at: float, began: float, limit: float) -> float:
    """When the next step is to be taken; monotonic seconds."""
    if step is Step.NONE:
        return began + limit
    return step_at + END_S if step is Step.ENDING else inf


class DeadlineLog:
    """Says what happens; one per worker. May be used in any thread."""

    def __init__(self, context: WorkerContext) -> None:
        self.limit: float = context.settings.timeout or inf
        self._log: logging.Logger = context.log
        self._channel = context.channel

    def ending(self, request: Request, client: str, age: float, frames: Sequence[FrameType]) -> None:
        """A request is over its deadline and is to be ended."""
        inside = application_frames(frames)
        self._log.error(
            "Request deadline: %s ran for %.1f s (--timeout %g) and is being ended; it is at %s\n%s",
            _name(request, client),
            age,
            self.limit,
            site(inside),
            listing(inside).rstrip(),
        )

    def given_up(self, request: Request, client: str, age: float, frames: Sequence[FrameType]) -> None:
        """It goes on all the same: its client is answered without it, and the worker is to be replaced."""
        self._log.error(
            "Request deadline: %s cannot be ended after %.1f s; it is at %s; answering 504 and asking for a successor",
            _name(request, client),
            age,
            site(application_frames(frames)),
        )
        self._channel.send(Retire("a request that cannot be ended"))


def _name(request: Request, client: str) -> str:
    return f"{request.method} {request.target.decode('latin-1')[:400]} client={client}"


_raise_in: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_in.restype = ctypes.c_int


class Target:
    """A thread that runs the application, for another that may interrupt it.

    The order of the two stores and the two loads decides: `interrupt` notes its wish before it looks at `work`,
    `leave` clears `work` before it looks for a wish. So no exception is raised in a thread that has left its work
    and does not know that it must wait for that.
    """

    __slots__ = ("_is_thrown", "_wish", "ident", "work")

    def __init__(self, ident: int) -> None:
        self.ident = ident
        self.work: object = None
        """What the thread is at."""
        self._wish: object = None
        self._is_thrown = False

    def interrupt(self, work: object) -> None:
        """Raise DeadlineExceeded in the thread if it is at this work. It comes with its next Python code."""
        self._is_thrown = False
        self._wish = work
        if self.work is work:
            _raise_in(self.ident, DeadlineExceeded)
        self._is_thrown = True

    def leave(self) -> None:
        """In the thread: the work is done. Afterwards nothing will be raised because of it."""
        try:
            self.work = None
            while self._wish is not None:
                # It is raised while we wait here, if it has not been raised in the work already.
                if self._is_thrown:
                    self._wish = None
        except DeadlineExceeded:
            self.work = self._wish = None


class Ender(Protocol):
    """What a WSGI worker does to a call of its application."""

    def frames(self, call: Call) -> list[FrameType]:
        """Where it is, outermost first; empty if it is nowhere any more."""

    def interrupt(self, call: Call) -> None:
        """Raise DeadlineExceeded in it."""

    def give_up(self, call: Call) -> None:
        """Answer in its place; it is sealed."""


class Enforcer:
    """Takes the steps with the calls of a WSGI worker. One thread."""

    def __init__(self, context: WorkerContext, ender: Ender) -> None:
        self.log = DeadlineLog(context)
        self.limit = self.log.limit
        self._ender = ender

    def look(self, call: Call, now: float) -> float:
        """Take the step that is due, if one is: the moment to look again, inf for never."""
        if call.exchange.response.head_sent or call.step is Step.GIVEN_UP:
            return inf
        if not call.began:
            return now + self.limit  # it waits for a thread: see --queue-timeout
        connection = call.connection
        if call.step is Step.SEALED:
            call.step = Step.GIVEN_UP
            self.log.given_up(call.request, connection.peer.label, now - call.began, self._ender.frames(call))
            self._ender.give_up(call)
            return inf
        waited = connection.waited(now) - call.waited_before if call.exchange.source is not None else 0.0
        moment = due(call.step, call.step_at, call.began + waited, self.limit)
        if now < moment:
            return moment
        if call.step is Step.NONE:
            call.step = Step.ENDING
            call.step_at = now
            self.log.ending(call.request, connection.peer.label, now - call.began, self._ender.frames(call))
            self._ender.interrupt(call)
            return now + END_S
        call.step = Step.SEALED
        connection.seal()
        return now  # not at once: a write that has begun is to end before
