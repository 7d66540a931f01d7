"""Notes: a small FastAPI application that touches every kind of request a server must carry."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import BackgroundTasks, FastAPI, File, Form, HTTPException, Query, Request, UploadFile, WebSocket
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.websockets import WebSocketDisconnect

BLOCK = bytes(range(256)) * 256  # 64 KiB


class Note(BaseModel):
    title: str = Field(min_length=1, max_length=80)
    text: str = ""


class State(TypedDict):
    """Made once per worker by the lifespan; every request sees the same objects."""

    notes: list[Note]
    mailed: list[str]
    room: set[WebSocket]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    yield {
        "notes": [Note(title="welcome", text="served from the lifespan state")],
        "mailed": [],
        "room": set(),
    }


app = FastAPI(title="Notes", lifespan=lifespan)


@app.get("/", response_class=HTMLResponse)
async def index(request: Request) -> str:
    items = "".join(f"<li>{note.title}</li>" for note in request.state.notes)
    return f"<!doctype html><title>Notes</title><h1>Notes</h1><ul>{items}</ul><a href='/docs'>API</a>"


@app.get("/hello", response_class=PlainTextResponse)
async def hello() -> str:
    return "Hello, World!"


@app.get("/process")
async def process() -> dict[str, int]:
    """Which worker answered."""
    return {"pid": os.getpid()}


@app.get("/notes")
async def list_notes(request: Request, q: Annotated[str, Query(max_length=80)] = "") -> list[Note]:
    return [note for note in request.state.notes if q in note.title]


@app.get("/notes/{number}")
async def read_note(request: Request, number: int) -> Note:
    try:
        note: Note = request.state.notes[number]
    except IndexError:
        raise HTTPException(404, f"there is no note {number}") from None
    return note


@app.post("/notes", status_code=201)
async def add_note(request: Request, note: Note, tasks: BackgroundTasks) -> Note:
    request.state.notes.append(note)
    tasks.add_task(mail, request.state.mailed, note.title)
    return note


async def mail(mailed: list[str], title: str) -> None:
    """Runs after the response has been sent."""
    await asyncio.sleep(0)
    mailed.append(title)


@app.get("/mailed")
async def list_mailed(request: Request) -> list[str]:
    mailed: list[str] = request.state.mailed
    return mailed


@app.post("/form")
async def form(
    title: Annotated[str, Form()],
    attachment: Annotated[UploadFile, File()],
) -> dict[str, str | int | None]:
    """A multipart form with a file, as a browser sends it."""
    digest = hashlib.sha256()
    size = 0
    while block := await attachment.read(1 << 20):
        digest.update(block)
        size += len(block)
    return {"title": title, "filename": attachment.filename, "size": size, "sha256": digest.hexdigest()}


@app.put("/upload")
async def upload(request: Request) -> dict[str, str | int]:
    """A body of any size, read as it arrives and never held."""
    digest = hashlib.sha256()
    size = 0
    async for block in request.stream():
        digest.update(block)
        size += len(block)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/download")
async def download(size: Annotated[int, Query(ge=0, le=1 << 30)] = 50 * 1024 * 1024) -> StreamingResponse:
    async def blocks() -> AsyncIterator[bytes]:
        for start in range(0, size, len(BLOCK)):
            yield BLOCK[: size - start]

    return StreamingResponse(blocks(), media_type="application/octet-stream")


@app.get("/events")
async def events(count: Annotated[int, Query(ge=1, le=1000)] = 3, pause: float = 0.05) -> StreamingResponse:
    async def stream() -> AsyncIterator[str]:
        for number in range(count):
            yield f"id: {number}\ndata: tick {number}\n\n"
            await asyncio.sleep(pause)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=60)] = 1.0) -> dict[str, float | int]:
    """Takes its time without taking the worker: other requests go on."""
    await asyncio.sleep(seconds)
    return {"slept": seconds, "pid": os.getpid()}


@app.get("/blocking")
def blocking(seconds: Annotated[float, Query(ge=0, le=60)] = 0.1) -> dict[str, float]:
    """A plain function: the framework runs it in its thread pool."""
    time.sleep(seconds)
    return {"slept": seconds}


@app.get("/error")
async def error() -> None:
    raise RuntimeError("this view fails on purpose")


@app.websocket("/ws/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return


@app.websocket("/ws/room")
async def room(socket: WebSocket) -> None:
    """Whatever one member says, all members of this worker hear."""
    await socket.accept()
    members: set[WebSocket] = socket.state.room
    members.add(socket)
    await socket.send_text(f"members: {len(members)}")
    try:
        while True:
            text = await socket.receive_text()
            for member in tuple(members):
                await member.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        members.discard(socket)
