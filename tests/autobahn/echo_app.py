"""Says back what it is told: what Autobahn's cases expect of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] != "websocket":
        raise RuntimeError("WebSocket only")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
