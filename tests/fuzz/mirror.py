"""An application, once for WSGI and once for ASGI, that says what it was given, for `live_differential`.

The path says what it does with the body: `/unread`, `/part`, `/parts` (all of it, and an answer without a length),
`/slow` (not at once, so that the client does something meanwhile); anything else reads it and answers with a length.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

PARTS = (b"one ", b"two ")
SLOW_S = 0.01


def _report(seen: dict[str, Any]) -> bytes:
    return json.dumps(seen, sort_keys=True).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    seen = {
        "method": environ["REQUEST_METHOD"].upper(),
        "path": path.encode("latin-1").decode("utf-8", "replace"),
        "query": environ["QUERY_STRING"],
        "version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        "scheme": environ["wsgi.url_scheme"],
        "client": environ["REMOTE_ADDR"],
        "headers": headers,
    }
    body = environ["wsgi.input"]
    if path == "/slow":
        time.sleep(SLOW_S)
    if path == "/part":
        seen["body"] = body.read(1).decode("latin-1")
    elif path != "/unread":
        seen["body"] = body.read().decode("latin-1")
    if path == "/parts":
        return _parts(start_response)
    content = _report(seen)
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


def _parts(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield from PARTS


class Left(Exception):
    """The client left in the middle of its request."""


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    with suppress(Left):
        await _answer(scope, receive, send)


async def _answer(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = headers[key] + ("; " if key == "cookie" else ",") + text if key in headers else text
    path = scope["path"]
    seen = {
        "method": scope["method"],
        "path": path,
        "query": scope["query_string"].decode("latin-1"),
        "version": scope["http_version"],
        "scheme": scope["scheme"],
        "client": scope["client"][0] if scope["client"] else "",
        "headers": headers,
    }
    if path == "/slow":
        await asyncio.sleep(SLOW_S)
    if path == "/part":
        seen["body"] = (await _next(receive))[0][:1].decode("latin-1")
    elif path != "/unread":
        seen["body"] = (await _whole(receive)).decode("latin-1")
    if path == "/parts":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in PARTS:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    content = _report(seen)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


async def _next(receive: Callable[[], Awaitable[Any]]) -> tuple[bytes, bool]:
    """Content, unless there is none, and whether more may come."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Left
        content, more = message.get("body", b""), message.get("more_body", False)
        if content or not more:
            return content, more


async def _whole(receive: Callable[[], Awaitable[Any]]) -> bytes:
    body, more = b"", True
    while more:
        content, more = await _next(receive)
        body += content
    return body
