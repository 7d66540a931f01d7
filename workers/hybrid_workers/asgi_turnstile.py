"""Where very many clients of an asgi worker send bodies at once: a few of them are read in each turn of the loop.

The event loop reads whatever has come on all connections, up to 256 KiB each, before any application gets to run. A
thousand uploads that stand still half-way cost little as long as they stand; but until they do, all that they have sent
would be in memory once. So in a crowd a connection is not read on of its own accord: its turn comes.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Final, Protocol

CROWD: Final = 64
"""More requests than this under way are a crowd."""
PER_TURN: Final = 16


class Waiting(Protocol):
    """A connection that is not read while it waits."""

    def pass_on(self) -> None:
        """Be read on, if there is still something to read."""


class Turnstile:
    """One per worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Waiting, None] = {}

    def queue(self, connection: Waiting) -> None:
        """Its turn comes soon; at most once for each time it asks. In order."""
        if not self._waiting:
            self._loop.call_soon(self._turn)
        self._waiting[connection] = None

    def _turn(self) -> None:
        waiting = self._waiting
        for connection in list(islice(waiting, PER_TURN)):
            del waiting[connection]
            connection.pass_on()
        if waiting:
            self._loop.call_soon(self._turn)
