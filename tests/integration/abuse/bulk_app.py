"""By path: small answers (/), uploads of any size, /download/MEGABYTES by and by and /whole/MEGABYTES at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

BLOCK = b"\x5a" * 65536
BLOCKS_PER_MB = 16


def fresh_block() -> bytes:
    """One of its own for each use: a server that queued a thousand times the same would need no memory for it."""
    return b"".join((BLOCK[:1], BLOCK[1:]))


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError("as it should")
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if path.startswith("/download/"):
        return (fresh_block() for _ in range(int(path[10:]) * BLOCKS_PER_MB))
    if path.startswith("/whole/"):
        return [BLOCK * (int(path[7:]) * BLOCKS_PER_MB)]
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    return [b"%d" % size]


async def asgi_app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    path = scope["path"]
    if path == "/fail":
        raise ValueError("as it should")
    if path.startswith("/download/"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(int(path[10:]) * BLOCKS_PER_MB):
            await send({"type": "http.response.body", "body": fresh_block(), "more_body": True})
        await send({"type": "http.response.body"})
        return
    if path.startswith("/whole/"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": BLOCK * (int(path[7:]) * BLOCKS_PER_MB)})
        return
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})
