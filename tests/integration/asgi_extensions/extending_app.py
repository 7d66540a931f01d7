"""Answers by ASGI's extensions, and a Starlette application that uses them by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

FILE = Path(os.environ["FILE"])
START = {"type": "http.response.start", "status": 200, "headers": []}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("http only")
    match scope["path"]:
        case "/offered":
            await send(START)
            await send({"type": "http.response.body", "body": " ".join(sorted(scope["extensions"])).encode()})
        case "/hints":
            await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload; as=style"]})
            await receive()  # the end of the body: waits for nothing
            await send(START)
            await send({"type": "http.response.body", "body": b"hinted"})
        case "/path":
            await send(START)
            await send({"type": "http.response.pathsend", "path": str(FILE)})
        case "/open":
            with FILE.open("rb") as file:
                await send(START)
                await send({"type": "http.response.zerocopysend", "file": file, "offset": 10, "count": 1000})
        case "/trailers":
            await send({**START, "trailers": True})
            await send({"type": "http.response.body", "body": b"content"})
            await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})


async def file_response(request: Any) -> FileResponse:
    assert "http.response.pathsend" in request.scope["extensions"]
    return FileResponse(FILE)


starlette = Starlette(routes=[Route("/", file_response)])
