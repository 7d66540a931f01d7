"""What comes in one turn of the loop is gone through step by step.

Heads are read, requests begun, calls and tasks made, calls run, answers sent.

Each of these is about as much code as a processor keeps at hand (32 KB), and together they are four times that. One
connection behind the other, each request finds all of it gone; side by side, only the first of a batch does. For 32
requests at a time that was, for each, 2,360 -> 960 misses of the instruction cache, 1,070 -> 390 of the data cache and
1,010 -> 670 branches mispredicted: docs/decisions/017-a-turn-in-steps.md.

It is for connections that have had a request already and bring the next in one piece. All else is looked at when it
comes, and so is what waits here when something else happens to its connection.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from hybrid_workers.asgi_outbox import Outbox, Sender

if TYPE_CHECKING:
    from hybrid_workers.asgi_service import Call

MOST_AT_ONCE: Final = 64
_LOOK, _GO_AHEAD, _SET_OUT = range(3)
_Task = asyncio.Task


class InTurn(Sender):
    """A connection whose requests are served together with others'. Not abstract: a compiled class cannot be."""

    __slots__ = ()

    def look(self) -> None:
        """At what was left for later: is it a request?"""
        raise NotImplementedError

    def go_ahead(self) -> None:
        """Begin with that request, if there is one; `queue()` what is to set out."""
        raise NotImplementedError

    def set_out(self) -> None:
        """Call the application: `begin()`."""
        raise NotImplementedError


class Turn:
    """One per worker, used in its loop's thread."""

    __slots__ = (
        "_attributes",
        "_call_soon",
        "_calls",
        "_context",
        "_contexts",
        "_loop",
        "_outbox",
        "_own",
        "_ready",
        "_steps",
        "_take",
        "_waiting",
        "is_calling",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context, outbox: Outbox) -> None:
        """Raises TypeError where the loop is of a kind that this cannot be done with."""
        self._loop = loop
        self._attributes = vars(loop)
        self._call_soon = loop.call_soon
        self._take = self._taken
        self._context = context
        self._outbox = outbox
        self._waiting: list[InTurn] = []
        self._ready: list[InTurn] = []
        self._calls: list[tuple[Call, Coroutine[Any, Any, None]]] = []
        self._own: contextvars.Context | None = None
        self._steps: list[Callable[[], object]] = []
        """The first of each task that has been made, with the context of each."""
        self._contexts: list[contextvars.Context] = []
        self.is_calling = False
        """Requests that begin now go through the next steps together."""

    def add(self, connection: InTurn) -> None:
        """It has received something: soon, `look()` at it."""
        waiting = self._waiting
        if not waiting:
            self._call_soon(self.run, context=self._context)
        waiting.append(connection)
        if len(waiting) >= MOST_AT_ONCE:
            self.run()

    def run(self) -> None:
        """Look at all that has come. Not to be called from within a task."""
        waiting = self._waiting
        if not waiting:
            return
        self._waiting = []
        self._step(waiting, _LOOK)
        self.is_calling = True
        try:
            self._step(waiting, _GO_AHEAD)
            ready, self._ready = self._ready, []
            self._step(ready, _SET_OUT)
        finally:
            self.is_calling = False
        calls = self._make_tasks()
        self._outbox.is_emptied = True
        try:
            self._take_steps()
        finally:
            self._outbox.is_emptied = False
            self._outbox.flush()
        del calls  # not before: they are freed one behind the other, too

    def _step(self, connections: list[InTurn], step: int) -> None:
        for connection in connections:
            try:
                if step == _LOOK:
                    connection.look()
                elif step == _GO_AHEAD:
                    connection.go_ahead()
                else:
                    connection.set_out()
            except BaseException as error:  # DeadlineExceeded is none of those that end a loop: others are behind it
                self._fail(connection, error)
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise

    def queue(self, connection: InTurn) -> None:
        """While `is_calling`: it has gone ahead, and is to set out."""
        self._ready.append(connection)

    def begin(self, call: Call, coroutine: Coroutine[Any, Any, None]) -> None:
        """While `is_calling`: make a task of it, in a context of its own, when all calls of this turn have come up."""
        self._calls.append((call, coroutine))

    def _make_tasks(self) -> list[tuple[Call, Coroutine[Any, Any, None]]]:
        """A task asks its loop to call its first step soon. What it asks is taken from it, and done without a turn of
        the loop, as soon as there are the others of this turn. Otherwise it is a task as any other.
        """
        calls, self._calls = self._calls, []
        attributes = self._attributes
        before = attributes.get("call_soon")  # what an application has put there, if it has
        attributes["call_soon"] = self._take
        try:
            for call, coroutine in calls:
                self._own = context = self._context.copy()
                try:
                    call.task = _Task(coroutine, loop=self._loop, name="call", context=context)
                except Exception as error:  # out of memory; the deadline answers for it
                    self._loop.call_exception_handler({"message": "no task for a call", "exception": error})
        finally:
            self._own = None
            if before is None:
                del attributes["call_soon"]
            else:
                attributes["call_soon"] = before
        return calls

    def _taken(self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None) -> object:
        """In the place of `loop.call_soon` while tasks are made. A finalizer that runs meanwhile may call it, too."""
        if context is None or context is not self._own:
            return self._call_soon(callback, *args, context=context)
        self._steps.append(callback)
        self._contexts.append(context)
        return None

    def _take_steps(self) -> None:
        steps = zip(self._contexts, self._steps, strict=True)
        self._contexts, self._steps = [], []
        try:
            for context, step in steps:
                context.run(step)
        finally:
            for context, step in steps:  # one has raised what ends the loop; if it goes on, so do those behind it
                self._call_soon(step, context=context)

    def _fail(self, connection: InTurn, error: BaseException) -> None:
        """As a loop does when a protocol raises."""
        what = {"message": "exception in a protocol", "exception": error, "transport": connection.transport}
        self._loop.call_exception_handler(what)
        connection.transport.abort()
