"""The half of an application's call that never waits: which message may come now, and what it does to the response.

It is compiled where anything is (docs/decisions/016-compiled-build.md); what waits is in `Cycle`, whose methods are
coroutine functions of Python's in every build, as libraries that look at what they were given expect.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

from hybrid.asgi.departure import is_departure
from hybrid.asgi.extensions import Extras
from hybrid.asgi.request_cycle import RequestCycle
from hybrid.asgi.types import App, Message
from hybrid.asgi.waiters import Waiters, wake
from hybrid.errors import ClientGone, DeadlineExceeded
from hybrid.http.limits import MOST_PIECES
from hybrid.http.request import Request
from hybrid.http1.apology import FAILED, LATE, apology
from hybrid.http1.response import LARGE, Prefixes, Response

if TYPE_CHECKING:
    from hybrid.asgi.cycle import Connection

DISCONNECT = "http.disconnect"
TAIL = 16 * 1024
"""What an application gets for itself where many are at a body: it holds the last that it has read while it waits."""
BURST = 64
"""After so many pieces of a stream send() lets the loop run. A transport that is closing takes everything and never
asks to wait, so an application that only sends would otherwise never learn that its client is gone."""


class Answering(RequestCycle):
    """See the module. `Cycle` is the only class that is made of it."""

    __slots__ = (
        "_app",
        "_burst",
        "_chunks",
        "_connection",
        "_extras",
        "_headers",
        "_is_delivered",
        "_waiters",
    )

    def __init__(self, app: App, request: Request, prefixes: Prefixes, connection: Connection, has_body: bool) -> None:
        self._app = app
        self.request = request
        self.response = Response(request, prefixes)
        self._connection = connection
        self._chunks: list[bytes] | None = None
        self._waiters: Waiters | None = None
        self._burst = 0
        self._extras: Extras | None = None
        self._headers: Any = ()
        self._is_delivered = False  # the application has been given the end of the body
        self.body_is_complete = not has_body
        self.buffered = 0
        self.is_disconnected = self.has_left = self.is_cancelled = self.is_held = self.is_endless = False
        self.task = None
        self.cell = -1
        self.started = 0.0
        self.overdue_at = 0.0

    # -- what the application calls ---------------------------------------------------------------

    def take(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """Take one message of the response; returns what is to be awaited before the application goes on, if anything.

        Raises ClientGone (an OSError) when the client has gone, RuntimeError on a message out of order,
        ResponseError when what it says cannot be sent.
        """
        if self.is_disconnected:
            raise ClientGone("the client closed the connection")
        if type(message) is not dict:
            message = dict(message)
        fields: dict[str, Any] = message
        kind = fields["type"]
        response = self.response
        if kind == "http.response.body":
            if not response.status or response.is_complete:
                raise self._out_of_order(kind)
            data = fields.get("body", b"")
            more = fields.get("more_body", False)
            if type(data) is not bytes:
                data = _as_bytes(data)
            connection = self._connection
            if self._extras is not None and self._extras.has_trailers:
                return self._extras.send_content(data, more=more)
            if not more:
                if len(data) >= LARGE:
                    connection.writelines(response.frame(data, more=False))
                    data = b""
                else:
                    data = response.content(data, more=False)
                connection.complete(self, data)
                if self._waiters is not None:
                    self._wake()
                return None
            connection.write_piece(response.frame(data, more=True))
            self._burst += 1
            if not connection.is_writable:
                return self._pause(connection.drain())
            if self._burst >= BURST:
                self._burst = 0
                return self._pause(asyncio.sleep(0))
        elif kind == "http.response.start":
            if response.status:
                raise self._out_of_order(kind)
            headers = fields.get("headers", ())
            response.start(fields["status"], headers)
            self._headers = headers
            if fields.get("trailers"):
                self._extended().has_trailers = True
            if type(headers) is list:
                for header in headers:
                    if len(header[0]) == 12 and header[1][:17] == b"text/event-stream":  # 12: Content-Type
                        self.is_endless = True
                        self.release_head()  # its reader waits for the head, not for the first event
                        break
        else:
            return self._extend(kind, message)
        return None

    def received(self) -> Message | None:
        """What the application is to be given now; None if it has to wait until something has changed."""
        if self.is_disconnected or self.response.is_complete:
            return {"type": DISCONNECT}
        if not self._is_delivered:
            if self.body_is_complete or self._chunks:
                return self._next_piece()
            if self.has_left:
                return {"type": DISCONNECT}
            self._connection.want_body()
        elif self.has_left:
            return {"type": DISCONNECT}
        return None

    def ended(self, error: BaseException | None) -> None:
        """The application has returned, or raised this. Puts right what it leaves undone."""
        try:
            if error is None:
                if not self.response.is_complete and not self.is_disconnected:
                    self._unfinished()
            elif not isinstance(error, GeneratorExit):  # the loop is closed: nothing can be sent any more
                self._failed(error)
        finally:
            self._connection.on_ended(self)

    # -- what the connection calls ----------------------------------------------------------------

    def feed(self, content: bytes, *, is_complete: bool) -> None:
        """Content has arrived; `is_complete`: it is the last."""
        if content:
            if self._chunks is None:
                self._chunks = [content]
            else:
                self._chunks.append(content)
                if len(self._chunks) >= MOST_PIECES:
                    self._chunks = [b"".join(self._chunks)]
            self.buffered += len(content)
        if is_complete:
            self.body_is_complete = True
        self._wake()

    def disconnect(self) -> None:
        """The client is gone."""
        self.is_disconnected = True
        self._wake()

    def leave(self) -> None:
        """The client seems to be gone, or is about to be asked to go: tell whoever listens, but go on sending."""
        self.has_left = True
        self._wake()

    def cancel(self) -> None:
        """End the application's work: the worker stops."""
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel("the worker is stopping")

    def expire(self) -> None:
        """End the application's work: the time for the request is over. 504 follows where no answer is out."""
        if self.task is not None:
            self.task.cancel("the request is over its deadline (--timeout)")

    def give_up(self) -> None:
        """Answer 504 without the application, which takes no notice of `expire()`; it finds the client gone."""
        if not self.response.is_complete and not self.is_disconnected:
            self._apologise()
        self.disconnect()

    def release_head(self) -> None:
        """Send a head that is held back, without waiting for content."""
        response = self.response
        if response.status and not response.head_sent and not self.is_disconnected:
            self._connection.write(response.content(b"", more=True))

    @property
    def holds_head(self) -> bool:
        return self.response.status != 0 and not self.response.head_sent

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = self._headers
        return [(name.lower(), value) for name, value in headers] if isinstance(headers, (list, tuple)) else []

    # -- inside -----------------------------------------------------------------------------------

    def _next_piece(self) -> Message:
        chunks = self._chunks
        if chunks is None:
            content = b""
        else:
            content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = None
            self.buffered = 0
            if self._connection.took_body() and len(content) > 2 * TAIL and not self.body_is_complete:
                self._chunks = [content[-TAIL:]]
                self.buffered = TAIL
                content = content[:-TAIL]
        self._is_delivered = self.body_is_complete
        return {"type": "http.request", "body": content, "more_body": not self.body_is_complete}

    def _wake(self) -> None:
        if self._waiters:
            wake(self._waiters)

    def _extended(self) -> Extras:
        if self._extras is None:
            self._extras = Extras(self, self._connection, self._out_of_order)
        return self._extras

    def _out_of_order(self, kind: Any) -> RuntimeError:
        if self.response.is_complete:
            return RuntimeError(f"ASGI message {kind!r} after the response is complete")
        expected = "http.response.body" if self.response.status else "http.response.start"
        return RuntimeError(f"ASGI message {kind!r} where {expected!r} is expected")

    def _failed(self, error: BaseException) -> None:
        """The application raised. The log gets it once; the client gets what can still be told."""
        connection = self._connection
        if self.is_cancelled:
            connection.on_broken(self)
        elif self.overdue_at and isinstance(error, (CancelledError, DeadlineExceeded)):
            self._apologise()  # the log knows
        elif not is_departure(error, is_gone=self.is_disconnected):
            connection.report(self, "exception in the application", error)
            self._apologise()

    def _unfinished(self) -> None:
        if self.has_left:  # it was told so, and had no reason to go on
            self._connection.on_broken(self)
            return
        what = "without a complete response" if self.response.status else "without starting a response"
        self._connection.report(self, f"the application returned {what}", None)
        self._apologise()

    def _apologise(self) -> None:
        """500 (or 504) if nothing is out, a broken connection if something is, nothing after the end."""
        response = self.response
        if response.is_complete or self.is_disconnected:
            return
        if response.head_sent:
            self._connection.on_broken(self)
            return
        self._connection.complete(self, apology(response, LATE if self.overdue_at else FAILED))
        self._wake()

    # -- the asynchronous half: see Cycle ---------------------------------------------------------

    def _pause(self, pausing: Awaitable[None]) -> Coroutine[Any, Any, None]:
        """Await that, and raise ClientGone if the client has gone meanwhile."""
        raise NotImplementedError

    def _extend(self, kind: Any, message: Message) -> Coroutine[Any, Any, None]:
        """Take a message of an extension."""
        raise NotImplementedError


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"the body of 'http.response.body' must be bytes, not {type(data).__name__}")
