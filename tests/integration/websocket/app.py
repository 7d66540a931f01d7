"""An application whose behaviour is chosen by the path. What it sees goes to stderr, hence into the server's log."""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LEFT = contextvars.ContextVar("LEFT", default="nothing")
RELEASED = asyncio.Event()


def note(text: str) -> None:
    print(f"app: {text}", file=sys.stderr, flush=True)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "http":
        if scope["path"] == "/release":
            RELEASED.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"plain http"})
    else:
        event = await receive()
        assert event == {"type": "websocket.connect"}, event
        await globals()[scope["path"].strip("/").replace("-", "_")](scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["database"] = {"visits": 0}
    LEFT.set("by lifespan")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("lifespan shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def accept(send: Send, **more: Any) -> None:
    await send({"type": "websocket.accept", **more})


async def say(send: Send, value: Any) -> None:
    await send({"type": "websocket.send", "text": json.dumps(value)})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            again = await receive()
            note(f"disconnect {event['code']} {event['reason']!r} again={again == event}")
            return
        note(f"message {len(event.get('text') or event.get('bytes') or '')}")
        await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


async def show_scope(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    shown = {name: value for name, value in scope.items() if name not in ("headers", "raw_path", "query_string")}
    shown["raw_path"] = scope["raw_path"].decode("latin-1")
    shown["query_string"] = scope["query_string"].decode("latin-1")
    scope["state"]["database"]["visits"] += 1
    shown["had_mark"] = scope["state"].get("mark", False)
    scope["state"]["mark"] = True
    shown["context"] = LEFT.get()
    LEFT.set("by another connection")
    await say(send, shown)


async def choose(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send, subprotocol=scope["subprotocols"][-1], headers=[(b"x-one", b"1"), (b"x-one", b"2")])


async def choose_badly(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send, subprotocol="never-offered")


async def close_before(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 4000})
    note(f"then {(await receive())['type']}")


async def deny(scope: Scope, receive: Receive, send: Send) -> None:
    assert "websocket.http.response" in scope["extensions"]
    headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Basic")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


async def deny_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})


async def leave_before(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def raise_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("before")


async def raise_after(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    raise ZeroDivisionError("after")


async def close_after(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    await send({"type": "websocket.close", "code": 4321, "reason": "enough"})
    event = await receive()
    note(f"own close {event['code']} {event['reason']!r}")
    try:
        await send({"type": "websocket.send", "text": "late"})
    except OSError as error:
        note(f"late send {type(error).__name__}")


async def leave_after(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)


async def wrong_order(scope: Scope, receive: Receive, send: Send) -> None:
    wrong: list[dict[str, Any]] = [{"type": "websocket.send", "text": "too early"}, {"type": "http.response.start"}]
    for message in wrong:
        try:
            await send(message)
        except RuntimeError as error:
            note(f"refused {error}")
    await accept(send)
    for message in (
        {"type": "websocket.accept"},
        {"type": "websocket.close", "code": 1006},
        {"type": "websocket.send"},
    ):
        try:
            await send(message)
        except (RuntimeError, ValueError, TypeError) as error:
            note(f"refused {error}")
    await say(send, "still here")


async def push(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": bytes(16384)})
            sent += 1
            if sent % 10 == 0:
                note(f"pushed {sent}")
    except OSError:
        note("push ended by OSError")
        raise


async def wait_for_release(scope: Scope, receive: Receive, send: Send) -> None:
    """Read nothing until another request says so, then everything until "end"."""
    await accept(send)
    note("waiting")
    await RELEASED.wait()
    count = 0
    while True:
        event = await receive()
        if event.get("text") == "end" or event["type"] == "websocket.disconnect":
            break
        count += 1
    note(f"counted {count} and then {event['type']}")
    await say(send, count)


async def two_readers(scope: Scope, receive: Receive, send: Send) -> None:
    """Two tasks in receive() at once, after one in it was cancelled: every message arrives once."""
    await accept(send)
    cancelled = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    got: list[Any] = []

    async def read() -> None:
        while (event := await receive())["type"] == "websocket.receive":
            got.append(event["text"])
            if len(got) == 4:
                await say(send, sorted(got))

    tasks = [asyncio.ensure_future(read()) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    cancelled.cancel()
    await say(send, "ready")
    await asyncio.gather(*tasks)
    note("both readers ended")
