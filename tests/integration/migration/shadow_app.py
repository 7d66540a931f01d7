"""One application as WSGI and as ASGI; the environment variable TWIST has one of them answer otherwise in places."""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

TWIST = os.environ.get("TWIST", "")
PAGE = b"<html> <body>\n  <p>Hello,   World</p>\n</body></html>"
TIGHT = b"<html><body><p>Hello, World</p></body></html>"
FORM = '<form><input type="hidden" name="csrfmiddlewaretoken" value="%s"></form><script nonce="%s"></script>'
LONG = b"".join(b"%07d\n" % number for number in range(40_000))

_asked = itertools.count()

Answer = tuple[int, list[tuple[str, str]], bytes]


def answer(method: str, path: str, body: bytes, is_shadow: bool) -> Answer:
    headers = [("Content-Type", "application/json"), ("X-App", "1")]
    if path == "/broken" and next(_asked) % 4 == 0:
        raise RuntimeError("a fault that both have")
    if path == "/slow":
        time.sleep(0.01)
    if path == "/page":
        return 200, [("Content-Type", "text/html")], PAGE
    if path == "/form":
        token, other = os.urandom(8).hex(), os.urandom(8).hex()
        fields = [("Content-Type", "text/html"), ("Content-Security-Policy", f"script-src 'nonce-{other}'")]
        cookies = [("Set-Cookie", f"{name}={token}; Path=/") for name in ("csrftoken", "sessionid")]
        return 200, fields + cookies, (FORM % (token, other)).encode()
    if path == "/long":
        return 200, [("Content-Type", "text/plain")], LONG
    if path == "/cookie":
        headers.append(("Set-Cookie", "basket=1; Path=/; HttpOnly"))
    if path == "/json":
        return 200, headers, b'{"a": 1, "b": [1.5, {"c": null}]}'
    if path == "/marked":
        headers = [("X-Marked", str(is_shadow))]
    return 200, headers, json.dumps({"method": method, "path": path, "body": body.decode()}).encode()


def twisted(method: str, path: str, body: bytes, is_shadow: bool) -> Answer:
    status, headers, content = answer(method, path, body, is_shadow)
    match path:
        case "/missing":
            headers = headers[:1]
        case "/cookie":
            headers[-1] = ("Set-Cookie", "basket=2; Path=/; HttpOnly")
        case "/moved":
            status, headers = 301, [*headers, ("Location", "/elsewhere")]
        case "/gone":
            status = 404
        case "/json":
            content = b'{"b":[1.5,{"c":null}],"a":1}'
        case "/float":
            content = content.replace(b'""', b"1.0")
        case "/page":
            content = TIGHT
        case "/long":
            content = LONG[:-9] + b"x" + LONG[-8:]
        case "/fail":
            raise RuntimeError("seeded")
        case "/block":
            time.sleep(0.7)
    return status, headers, content


chosen = twisted if TWIST else answer


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    mark = environ.get("HTTP_X_HYBRID_SHADOW") == "1"
    status, headers, content = chosen(environ["REQUEST_METHOD"], environ["PATH_INFO"], body, mark)
    start_response(f"{status} Whatever", headers)
    return [content]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("only http")
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    mark = (b"x-hybrid-shadow", b"1") in scope["headers"]
    status, headers, content = chosen(scope["method"], scope["path"], body, mark)
    fields = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    half = len(content) // 2
    await send({"type": "http.response.body", "body": content[:half], "more_body": True})
    await send({"type": "http.response.body", "body": content[half:]})
