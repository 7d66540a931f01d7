"""What a connection knows of the call of an application, be it an ASGI application's or one's behind the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hybrid.http.request import Request
from hybrid.http1.response import Response


class RequestCycle:
    """One call. What these are when it begins, each kind of cycle says for itself: one is made for each request.

    So does it with the methods that are not implemented here; a class that is compiled cannot be an abstract one.
    """

    __slots__ = (
        "body_is_complete",
        "buffered",
        "cell",
        "has_left",
        "is_cancelled",
        "is_disconnected",
        "is_endless",
        "is_held",
        "overdue_at",
        "request",
        "response",
        "started",
        "task",
    )

    request: Request
    response: Response
    task: asyncio.Task[None] | None
    cell: int
    """The connection's: where the request stands in the scoreboard."""
    started: float
    """The connection's: monotonic seconds."""
    overdue_at: float
    """The connection's: when it was told that the time for the request is over; 0 while it is not."""
    body_is_complete: bool
    buffered: int
    """Bytes of content that the application has not taken yet."""
    is_disconnected: bool
    """The client is gone: receive() says so, send() raises."""
    has_left: bool
    """The client seems to be gone: receive() says so, send() still works."""
    is_cancelled: bool
    is_held: bool
    """The sweeper has seen the head held back once; see `release_head`."""
    is_endless: bool
    """Its response has no end of its own: an event stream."""

    @property
    def began(self) -> float:
        """When the application was called; inf as long as it waits for a thread."""
        return self.started

    @property
    def waited_before(self) -> float:
        """Seconds for which the client was waited for before that."""
        return 0.0

    @property
    def holds_head(self) -> bool:
        """There is a head that `release_head()` would send."""
        return False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those of the response, for the access log."""
        raise NotImplementedError

    def run(self, scope: Any, /) -> Coroutine[Any, Any, None]:
        """Call the application, once, and put right whatever it leaves undone. Never raises."""
        raise NotImplementedError

    def feed(self, content: bytes, *, is_complete: bool) -> None:
        """Content has arrived; `is_complete`: it is the last."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """The client is gone."""
        raise NotImplementedError

    def leave(self) -> None:
        """The client seems to be gone, or is about to be asked to go: tell whoever listens, but go on sending."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End the application's work: the worker stops."""
        raise NotImplementedError

    def expire(self) -> None:
        """End the application's work: the time for the request is over. 504 follows where no answer is out."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Answer 504 without the application, which takes no notice of `expire()`; it finds the client gone."""
        raise NotImplementedError

    def release_head(self) -> None:
        """Send a head that is held back, without waiting for content."""
