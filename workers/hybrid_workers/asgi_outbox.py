"""Plain responses leave together, at the end of the turn of the loop in which they were made.

Written at once, each response wakes its reader before the next request is even looked at: a proxy or load
generator on the same machine then runs, answers and sleeps again between any two of our requests, and every
write pays for waking it. Written one after the other they find the reader awake. Measured with 64 kept-alive
connections and a minimal application on two cores: 17 us of CPU per request instead of 26.

Only the end of a response on a connection that stays open waits here, never a stream; and not for longer than
`PATIENCE_S`, so that an answer does not wait for a dozen slow applications.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid_workers.asgi_connection import HttpConnection

PATIENCE_S = 0.0005


class Outbox:
    """The connections of one worker that have something unsent."""

    __slots__ = ("_call_soon", "_context", "_opened", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        self._call_soon = loop.call_soon
        self._context = context
        self._waiting: list[HttpConnection] = []
        self._opened = 0.0

    def add(self, connection: HttpConnection, now: float) -> None:
        """Flush this connection soon."""
        waiting = self._waiting
        if not waiting:
            self._opened = now
            self._call_soon(self.flush, context=self._context)
        waiting.append(connection)
        if now - self._opened > PATIENCE_S:
            self.flush()

    def flush(self) -> None:
        """Send everything now."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for connection in waiting:
                data = connection.unsent
                if data:
                    connection.unsent = b""
                    connection.transport.write(data)
