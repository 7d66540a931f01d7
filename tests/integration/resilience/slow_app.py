"""The same application in WSGI and ASGI: it takes long in every way in which an application can."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

_libc = ctypes.PyDLL(None)  # its calls keep the interpreter's lock
_libc_freeing = ctypes.CDLL(None)


def say(text: str) -> None:
    print(f"app: {text}", file=sys.stderr, flush=True)


def nap(seconds: float) -> None:
    say("napping")
    try:
        time.sleep(seconds)
    finally:
        say("left the nap")


def spin(seconds: float) -> None:
    say("spinning")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def stuck_in_c(seconds: float) -> None:
    """A C library that takes no notice of signals and frees the interpreter's lock."""
    say("stuck")
    wait = _libc_freeing.pthread_cond_timedwait
    mutex, condition = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    until = time.time() + seconds
    moment = (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9))
    _libc_freeing.pthread_mutex_lock(mutex)
    wait(condition, mutex, moment)


def lock(seconds: float) -> None:
    """It waits for itself."""
    mutex = threading.Lock()
    with mutex:
        mutex.acquire(timeout=seconds)


def stubborn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:
            say("not now")


def stubborn_spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            spin(until - time.monotonic())
        except BaseException:
            say("not now")


def hold_gil(seconds: float) -> None:
    """A C library that keeps the interpreter's lock, and sleeps on when a signal wakes it."""
    until = time.time() + seconds
    moment = (ctypes.c_long * 2)(int(until), 0)
    mutex, condition = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    _libc.pthread_mutex_lock(mutex)
    _libc.pthread_cond_timedwait(condition, mutex, moment)


def deadlock(seconds: float) -> None:
    """It waits for itself, and cannot be helped."""
    mutex = threading.Lock()
    while True:
        try:
            mutex.acquire()
        except BaseException:
            say("not now")


WAYS: dict[str, Callable[[float], None]] = {
    "/nap": nap,
    "/spin": spin,
    "/lock": lock,
    "/hold-gil": hold_gil,
    "/deadlock": deadlock,
    "/stuck": stuck_in_c,
    "/stubborn": stubborn,
    "/stubborn-spin": stubborn_spin,
}


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    way = WAYS.get(environ["PATH_INFO"])
    if way is not None:
        way(float(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/deaf-events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/stream":
        return stream(int(environ["QUERY_STRING"]))
    if environ["PATH_INFO"] == "/pid":
        return [b"pid=%d;" % os.getpid()]
    if environ["PATH_INFO"] == "/body":
        return [b"%d" % len(environ["wsgi.input"].read())]
    return [b"%d" % os.getpid()]


def stream(count: int) -> Iterable[bytes]:
    for _ in range(count):
        yield b"x"
        time.sleep(0.1)


def events() -> Iterable[bytes]:
    say("sending events")
    try:
        while True:
            yield b"data: 1\n\n"
            time.sleep(0.05)
    finally:
        say("the event stream has ended")


async def send_events(
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
    is_deaf: bool,
) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    say("sending events")
    try:
        await receive()
        if not is_deaf:
            await receive()
            say("the event stream was told")
            await send({"type": "http.response.body", "body": b"data: bye\n\n"})
            return
        while True:
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.sleep(0.05)
    finally:
        say("the event stream has ended")


async def wait(seconds: float) -> None:
    say("waiting")
    try:
        await asyncio.sleep(seconds)
    finally:
        say("left the wait")


async def stubborn_wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            await asyncio.sleep(0.05)
        except BaseException:
            say("not now")


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"pid={os.getpid()};"})
        await receive()
        return
    assert scope["type"] == "http"
    path, seconds = scope["path"], scope["query_string"]
    if path.endswith("events"):
        await send_events(receive, send, path == "/deaf-events")
        return
    if path == "/wait":
        await wait(float(seconds))
    elif path == "/stubborn-wait":
        await stubborn_wait(float(seconds))
    elif path == "/thread":
        await asyncio.to_thread(nap, float(seconds))
    elif path in WAYS:
        WAYS[path](float(seconds))
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/stream":
        say("streaming")
        for _ in range(int(seconds)):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body"})
    else:
        text = b"pid=%d;" if path == "/pid" else b"%d"
        await send({"type": "http.response.body", "body": text % os.getpid()})
