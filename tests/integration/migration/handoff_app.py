"""Answers who served what: pool, pid, path, length and digest of the body, client. Once for WSGI, once for ASGI.

Paths that begin with /.../wait are answered when the file `go` exists; the file `begun` says that one waits.
Import fails while a file `broken-POOL` exists, and takes as long as there is a file `held-POOL`; while there is one
`few-POOL`, there are few descriptors.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

POOL = os.environ.get("POOL", "none")
if Path(f"broken-{POOL}").exists():
    raise LookupError(f"pool {POOL} is broken")
while Path(f"held-{POOL}").exists():
    time.sleep(0.01)


if Path(f"few-{POOL}").exists():
    most = len(os.listdir("/proc/self/fd")) + 12
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _answer(path: str, size: int, digest: str, client: object, method: str) -> bytes:
    return f"{POOL} {os.getpid()} {path} {size} {digest} {client} {method}".encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    digest, size = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(1 << 16):
        digest.update(data)
        size += len(data)
    path = environ["PATH_INFO"]
    if path.endswith("/wait"):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.005)
    elif path.endswith("/marks"):
        path = environ.get("HTTP_X_HYBRID_SHADOW", "none")
    elif path.endswith("/slow"):
        time.sleep(0.3)
    client = f"{environ.get('REMOTE_ADDR')}:{environ.get('REMOTE_PORT')}"
    answer = _answer(path, size, digest.hexdigest()[:16], client, environ["REQUEST_METHOD"])
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"{POOL} {message['text']}"})
        return
    digest, size = hashlib.sha256(), 0
    is_more = True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            return
        digest.update(message.get("body", b""))
        size += len(message.get("body", b""))
        is_more = message.get("more_body", False)
    if scope["path"].endswith("/wait"):
        Path("begun").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.005)
    path = scope["path"]
    if path.endswith("/marks"):
        path = dict(scope["headers"]).get(b"x-hybrid-shadow", b"none").decode()
    host, port = scope["client"] or (None, None)
    answer = _answer(path, size, digest.hexdigest()[:16], f"{host}:{port}", scope["method"])
    head = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": answer})
