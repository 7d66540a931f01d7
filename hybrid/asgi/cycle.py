"""One request of an ASGI application: the call, its receive() and its send().

The cycle knows the order of messages and what an exception means at each point; HTTP is the
Response's business, bytes are the connection's. It outlives the exchange: an application may work on
after its response is complete (background tasks), while the connection has gone on to the next request.

One object per request, and on the common path - head, one body message, return - it makes no future,
no event and no other object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from hybrid.asgi.answering import Answering
from hybrid.asgi.request_cycle import RequestCycle
from hybrid.asgi.types import Message, Scope
from hybrid.asgi.waiters import wait_among
from hybrid.errors import ClientGone


class Connection(Protocol):
    """What a cycle needs of the connection under it."""

    loop: asyncio.AbstractEventLoop
    is_writable: bool
    """False while the transport holds more than its high-water mark."""

    @property
    def body_waited(self) -> float:
        """Seconds for which bytes of the body under way have been waited for."""

    def write(self, data: bytes, /) -> object:
        """Send bytes; never blocks."""

    def writelines(self, buffers: tuple[bytes, bytes, bytes], /) -> object:
        """Send several buffers without joining them."""

    def write_piece(self, buffers: tuple[bytes, bytes, bytes], /) -> object:
        """Send a piece of a stream, as several buffers; by the end of this turn of the loop at the latest."""

    async def drain(self) -> None:
        """Wait until the connection is writable or lost."""

    async def send_file(self, head: bytes, fd: int, offset: int, count: int, /) -> bool:
        """Send a head and, behind it, a part of a file. False, with nothing done: it must be read and written."""

    def want_body(self) -> None:
        """The application waits for content: read on, and say 100 Continue if the client waits for that."""

    def took_body(self) -> object:
        """The application has taken what was buffered. True: it is one of many, and should get little at last."""

    def complete(self, cycle: RequestCycle, data: bytes, /) -> None:
        """Send the last bytes of the response; the connection is free for the next request."""

    def on_broken(self, cycle: RequestCycle, /) -> None:
        """The response cannot be completed: close so that the client notices."""

    def on_ended(self, cycle: RequestCycle, /) -> None:
        """The application has returned or raised: nothing of it runs any more."""

    def report(self, cycle: RequestCycle, what: str, error: BaseException | None, /) -> None:
        """Log a failure of the application."""


class Cycle(Answering):
    """The connection feeds content and disconnects; the application receives and sends."""

    __slots__ = ()

    async def run(self, scope: Scope) -> None:
        """Call the application, once, and put right whatever it leaves undone. Never raises."""
        try:
            await self._app(scope, self.receive, self.send)
        except BaseException as error:
            self.ended(error)
            if isinstance(error, GeneratorExit):
                raise
        else:
            self.ended(None)

    # -- what the application calls ---------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the body; after the body, wait for the disconnect (or the end of the response).

        Any number of tasks may wait here at once, and any of them may be cancelled: a message is taken only
        in the moment in which it is returned.
        """
        while True:
            message = self.received()
            if message is not None:
                return message
            await self._wait()

    async def send(self, message: Message) -> None:
        """Take one message of the response.

        Raises ClientGone (an OSError) when the client has gone, RuntimeError on a message out of order,
        ResponseError when what it says cannot be sent.
        """
        waiting = self.take(message)
        if waiting is not None:
            await waiting

    # -- inside -----------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until something has changed."""
        if self._waiters is None:
            self._waiters = []
        await wait_among(self._waiters, self._connection.loop)

    async def _pause(self, pausing: Awaitable[None]) -> None:
        await pausing
        if self.is_disconnected:
            raise ClientGone("the client closed the connection")

    async def _extend(self, kind: Any, message: Message) -> None:
        await self._extended().send(kind, message, has_started=bool(self.response.status))
        if self.response.is_complete:
            self._wake()
