"""One application for each pool. It says which pool answers; its import fails while a file `broken-POOL` exists."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

POOL = os.environ.get("POOL", "none")

if os.path.exists(f"broken-{POOL}"):
    raise RuntimeError(f"{POOL} has no database")

_grown: list[bytearray] = []


def _answer(path: str) -> bytes:
    if path.endswith("/grow"):
        _grown.append(bytearray(os.urandom(1024)) * (100 * 1024))
    return f"{POOL} {os.getpid()}".encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    body = _answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    assert scope["type"] == "http", "no lifespan"
    body = _answer(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
