"""ASGI 2 applications, which are called twice: app(scope), then the result with (receive, send)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hybrid.asgi.types import App, Receive, Scope, Send

DoubleApp = Callable[[Scope], Callable[[Receive, Send], Awaitable[object]]]


def single_callable(app: DoubleApp) -> App:
    """The application as ASGI 3 calls it. A new instance per scope, as ASGI 2 promises."""

    async def called_once(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope)(receive, send)

    return called_once
