"""A small Starlette application: routes, lifespan state, streams and a WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

BLOCK = bytes(range(256)) * 256  # 64 KiB


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    yield {"started_by": os.getpid(), "visits": [0]}


async def index(request: Request) -> Response:
    request.state.visits[0] += 1
    return JSONResponse({"pid": request.state.started_by, "visits": request.state.visits[0]})


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"Hello, {request.path_params.get('name', 'World')}!")


async def source(request: Request) -> Response:
    """A real file; servers that offer `http.response.pathsend` send it without copying."""
    return FileResponse(__file__)


async def upload(request: Request) -> Response:
    digest = hashlib.sha256()
    size = 0
    async for block in request.stream():
        digest.update(block)
        size += len(block)
    return JSONResponse({"size": size, "sha256": digest.hexdigest()})


async def download(request: Request) -> Response:
    size = int(request.query_params.get("size", 50 * 1024 * 1024))

    async def blocks() -> AsyncIterator[bytes]:
        for start in range(0, size, len(BLOCK)):
            yield BLOCK[: size - start]

    return StreamingResponse(blocks(), headers={"content-length": str(size)})


async def events(request: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        for number in range(int(request.query_params.get("count", 3))):
            yield f"data: tick {number}\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def slow(request: Request) -> Response:
    seconds = min(60.0, float(request.query_params.get("seconds", 1)))
    await asyncio.sleep(seconds)
    return JSONResponse({"slept": seconds, "pid": os.getpid()})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


app = Starlette(
    routes=[
        Route("/", index),
        Route("/hello", hello),
        Route("/hello/{name}", hello),
        Route("/source", source),
        Route("/upload", upload, methods=["PUT", "POST"]),
        Route("/download", download),
        Route("/events", events),
        Route("/slow", slow),
        WebSocketRoute("/ws/echo", echo),
    ],
    lifespan=lifespan,
)
