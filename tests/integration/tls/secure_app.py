"""What a request over TLS looks like to an application, and answers of every kind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

BLOCK = bytes(range(256)) * 256
BLOCKS = 80


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/half":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _half()
    if path == "/large":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (BLOCK for _ in range(BLOCKS))
    if path == "/file":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
        file.write(BLOCK * BLOCKS)
        file.seek(0)
        start_response("200 OK", [("Content-Length", str(len(BLOCK) * BLOCKS))])
        return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    facts = {
        "scheme": environ["wsgi.url_scheme"],
        "port": environ["SERVER_PORT"],
        "tls": environ.get("SSL_PROTOCOL"),
        "name": environ.get("SSL_CLIENT_S_DN"),
        "client": environ["REMOTE_ADDR"],
        "host": environ["HTTP_HOST"],
        "script_name": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "size": size,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]


def _half() -> Iterable[bytes]:
    yield b"half"
    raise RuntimeError("half an answer")


async def asgi_app(scope: Any, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[None]]) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["scheme"]})
        await receive()
        return
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    start = {"type": "http.response.start", "status": 200, "headers": []}
    path = scope["path"]
    if path == "/half":
        await send(start)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("half an answer")
    if path == "/large":
        await send(start)
        for _ in range(BLOCKS):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if path == "/file":
        with tempfile.NamedTemporaryFile() as file:
            file.write(BLOCK * BLOCKS)
            file.flush()
            await send(start)
            await send({"type": "http.response.pathsend", "path": file.name})
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    tls = scope["extensions"].get("tls", {})
    root = scope["root_path"]
    facts = {
        "scheme": scope["scheme"],
        "port": str(scope["server"][1]),
        "tls": {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}.get(tls.get("tls_version")),
        "name": tls.get("client_cert_name"),
        "client": scope["client"][0] if scope["client"] else "",
        "host": dict(scope["headers"])[b"host"].decode(),
        "script_name": root,
        "path": path[len(root) :] if path.startswith(root) else f"{path} outside of {root}",
        "size": size,
    }
    await send({**start, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(facts).encode()})
