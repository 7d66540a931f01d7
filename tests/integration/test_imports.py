"""What a worker has imported: nothing that its settings and its application rule out, and all that it may need.

An import that is too much is felt by nobody who makes it, and by everybody who starts a server. A worker is a fork of
the arbiter, so that what it has imported includes what the arbiter has.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.integration.conftest import Serve

APPS = """
import os, sys

at_fork = set()

def forked():
    at_fork.update(sys.modules)

os.register_at_fork(after_in_child=forked)

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [answer(environ["PATH_INFO"])]

def answer(path):
    return " ".join(set(sys.modules) - at_fork if path == "/since" else sys.modules).encode()

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        before = set(sys.modules)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": " ".join(before)})
        await send({"type": "websocket.send", "text": " ".join(set(sys.modules) - before)})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": answer(scope["path"])})
"""

NOBODY = ("email", "importlib.metadata", "websockets", "zipfile", "hybrid.advice", "hybrid.report", "hybrid.translate")
EVENT_LOOP = ("asyncio", "ssl", "uvloop", "hybrid.asgi", "hybrid.websocket", "hybrid_workers.asgi")
WSGI = ("tempfile", "hybrid.wsgi", "hybrid_workers.bridge", "hybrid_workers.reactor", "hybrid_workers.spool")
CROSSING = ("hybrid.contract.crossing", "hybrid_workers.crossroads", "hybrid_workers.asgi_crossroads")
ROUTING = ("hybrid.routing",)


@pytest.mark.parametrize(
    ("app", "options", "wanted", "ruled_out"),
    [
        ("wsgi", ("-k", "sync"), ("hybrid.wsgi",), (*EVENT_LOOP, *CROSSING, *ROUTING)),
        ("wsgi", ("-k", "gthread"), ("hybrid.wsgi",), (*EVENT_LOOP, *CROSSING, *ROUTING)),
        ("wsgi", ("-k", "sync", "-w", "2"), ("hybrid_workers.crossroads",), (*EVENT_LOOP, *ROUTING)),
        ("asgi", ("-k", "asgi"), ("hybrid.websocket",), (*WSGI, *CROSSING, *ROUTING)),
        ("asgi", ("-k", "asgi", "-w", "2"), ("hybrid.websocket",), (*WSGI, *CROSSING, *ROUTING)),
        ("wsgi", ("-k", "asgi"), ("hybrid_workers.bridge",), (*CROSSING, *ROUTING, "hybrid_workers.reactor")),
    ],
)
def test_worker_has_imported_what_it_may_need_and_no_more(
    serve: Serve,
    write_app: Callable[[str], Path],
    app: str,
    options: tuple[str, ...],
    wanted: tuple[str, ...],
    ruled_out: tuple[str, ...],
) -> None:
    write_app(APPS)
    server = serve(f"site_app:{app}", *options)
    server.wait_ready()
    imported = set(server.get().body.decode().split())
    assert imported >= set(wanted)
    assert not imported & {*NOBODY, *ruled_out}


def test_first_websocket_finds_all_imported_that_it_needs(serve: Serve, write_app: Callable[[str], Path]) -> None:
    write_app(APPS)
    server = serve("site_app:asgi", "-k", "asgi")
    server.wait_ready()
    with connect(f"ws://127.0.0.1:{server.port}/", compression="deflate") as client:
        client.send("go on")
        before, since = client.recv(), client.recv()
    assert isinstance(before, str)
    assert "hybrid.websocket.connection" in before.split()
    assert "websockets" not in before.split()
    assert since == ""


@pytest.mark.parametrize(
    ("app", "options"),
    [
        ("wsgi", ("-k", "sync")),
        ("wsgi", ("-k", "gthread")),
        ("asgi", ("-k", "asgi")),
        ("wsgi", ("-k", "asgi")),
        ("wsgi", ("-k", "sync", "--route", "/api/*=main")),
        ("asgi", ("-k", "asgi", "--route", "/api/*=main")),
    ],
)
def test_template_has_imported_what_its_workers_need(
    serve: Serve, write_app: Callable[[str], Path], app: str, options: tuple[str, ...]
) -> None:
    write_app(APPS)
    server = serve(f"site_app:{app}", "--preload", "-w", "2", *options)
    first, _ = server.wait_ready(2)
    os.kill(first, signal.SIGKILL)  # it was there before its template; all others are made of that
    server.wait_ready(3)
    since = server.get("/since").body.decode().split()
    assert not [name for name in since if name.startswith("hybrid")]
