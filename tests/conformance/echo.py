"""An application, once for WSGI and once for ASGI, that answers with what it was given, as JSON.

Bytes are latin-1 text. Headers are joined as in a WSGI environ, so that both reports can be compared. The report
is also in the header X-Report, for answers to HEAD.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    body = environ["wsgi.input"].read().decode("latin-1")
    report = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        "headers": headers,
        "body": body,
        "client": environ.get("REMOTE_ADDR"),
        "scheme": environ["wsgi.url_scheme"],
    }
    text = json.dumps(report)
    start_response("200 OK", [("Content-Length", str(len(text))), *_in_header(text)])
    return [text.encode()]


def _in_header(text: str) -> list[tuple[str, str]]:
    return [("X-Report", text)] if len(text) <= 20_000 else []


async def asgi(
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
        key, text = name.decode(), value.decode("latin-1")
        headers[key] = headers[key] + ("; " if key == "cookie" else ",") + text if key in headers else text
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    report = {
        "method": scope["method"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "path": scope["path"].encode().decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "version": scope["http_version"],
        "headers": headers,
        "body": body.decode("latin-1"),
        "client": scope["client"][0] if scope["client"] else None,
        "scheme": scope["scheme"],
    }
    content = json.dumps(report).encode()
    lines = [(b"content-length", b"%d" % len(content))]
    lines += [(name.encode(), value.encode()) for name, value in _in_header(content.decode())]
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    await send({"type": "http.response.body", "body": content})
