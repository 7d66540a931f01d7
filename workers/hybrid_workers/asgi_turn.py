"""What comes in one turn of the loop is gone through step by step: heads are read, calls made, calls run, answers sent.

Each of these is as much code as a processor keeps at hand (32 KB), and together they are four times that. One
connection behind the other, each request finds all of it gone; side by side, only the first of a batch does. For 32
requests at a time that was, for each, 2,360 -> 1,680 misses of the instruction cache, 1,070 -> 650 of the data cache,
1,010 -> 800 branches mispredicted, and a tenth of the time: docs/decisions/017-a-turn-in-steps.md.

It is for connections that have had a request already and bring the next in one piece. All else is looked at when it
comes, and so is what waits here when something else happens to its connection.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Final

from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_outbox import Outbox

MOST_AT_ONCE: Final = 64
_Task = asyncio.Task


class Turn:
    """One per worker, used in its loop's thread."""

    __slots__ = (
        "_attributes",
        "_call_soon",
        "_context",
        "_contexts",
        "_loop",
        "_outbox",
        "_own",
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
        self._waiting: list[HttpConnection] = []
        self._own: contextvars.Context | None = None
        self._steps: list[Callable[[], object]] = []
        """Those of the calls that have been made and not begun, with the context of each."""
        self._contexts: list[contextvars.Context] = []
        self.is_calling = False
        """Calls that are made now are `begin`ning together."""

    def add(self, connection: HttpConnection) -> None:
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
        for connection in waiting:
            try:
                connection.look()
            except Exception as error:
                self._fail(connection, error)
        self.is_calling = True
        try:
            for connection in waiting:
                try:
                    connection.go_ahead()
                except Exception as error:
                    self._fail(connection, error)
        finally:
            self.is_calling = False
        self._outbox.is_emptied = True
        try:
            self._take_steps()
        finally:
            self._outbox.is_emptied = False
            self._outbox.flush()

    def begin(self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context) -> asyncio.Task[None]:
        """A task for a call, to be run with the others. `context` must be this call's only.

        A task asks its loop to call its first step soon. What it asks is taken from it, and done as soon as all calls
        of the batch are made, without a turn of the loop. Otherwise it is a task as any other.
        """
        attributes = self._attributes
        before = attributes.get("call_soon")  # what an application has put there, if it has
        self._own = context
        attributes["call_soon"] = self._take
        try:
            return _Task(coroutine, loop=self._loop, name="call", context=context)
        finally:
            self._own = None
            if before is None:
                del attributes["call_soon"]
            else:
                attributes["call_soon"] = before

    def _taken(self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None) -> object:
        """In the place of `loop.call_soon` while a task is made. A finalizer that runs meanwhile may call it, too."""
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

    def _fail(self, connection: HttpConnection, error: Exception) -> None:
        """As a loop does when a protocol raises."""
        what = {"message": "exception in a protocol", "exception": error, "transport": connection.transport}
        self._loop.call_exception_handler(what)
        connection.transport.abort()
