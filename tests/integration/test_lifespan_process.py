"""The lifespan of an application in a real worker process: what its failures and a stop mean to the server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.conftest import Serve

WriteApp = Callable[[str], Path]

APP = """
    import asyncio, os, sys

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            print("startup begins", file=sys.stderr, flush=True)
            {startup}
            await send({{"type": "lifespan.startup.complete"}})
            await receive()
            print("shutdown runs", file=sys.stderr, flush=True)
            {shutdown}
            await send({{"type": "lifespan.shutdown.complete"}})
            return
        if scope["path"] == "/wait":
            print("request begins", file=sys.stderr, flush=True)
            while not os.path.exists("go"): await asyncio.sleep(0.01)
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"hello"}})
        print("request ends", file=sys.stderr, flush=True)
"""


def app(startup: str = "pass", shutdown: str = "pass") -> str:
    return APP.format(startup=startup, shutdown=shutdown)


def test_stop_during_startup_lets_it_finish_and_runs_shutdown(
    serve: Serve, write_app: WriteApp, tmp_path: Path
) -> None:
    write_app(app('while not os.path.exists("go"): await asyncio.sleep(0.01)'))
    server = serve("site_app:app", "-k", "asgi")
    server.log.wait("startup begins")
    server.send(signal.SIGTERM)
    server.log.wait("Handling signal: term")
    (tmp_path / "go").touch()
    assert server.wait_exit() == 0
    assert server.log.text.count("shutdown runs") == 1


def test_quick_stop_does_not_wait_for_startup(serve: Serve, write_app: WriteApp) -> None:
    write_app(app("await asyncio.Event().wait()"))
    server = serve("site_app:app", "-k", "asgi", "--graceful-timeout", "60")
    server.log.wait("startup begins")
    assert server.stop(signal.SIGINT) == 0
    assert "shutdown runs" not in server.log.text


def test_startup_that_fails_ends_the_server_with_3_and_says_why_once(serve: Serve, write_app: WriteApp) -> None:
    write_app(app('await send({"type": "lifespan.startup.failed", "message": "no database"}); return'))
    server = serve("site_app:app", "-k", "asgi", "-w", "2")
    assert server.wait_exit() == 3
    assert server.log.text.count("lifespan startup failed: no database") == 1


def test_startup_that_raises_ends_the_server_with_3_and_the_traceback(serve: Serve, write_app: WriteApp) -> None:
    write_app(app('raise RuntimeError("no cache")'))
    server = serve("site_app:app", "-k", "asgi")
    assert server.wait_exit() == 3
    assert server.log.text.count("RuntimeError: no cache") >= 1
    assert "Worker ready" not in server.log.text


def test_shutdown_that_fails_is_a_failure_of_the_worker(serve: Serve, write_app: WriteApp) -> None:
    write_app(app(shutdown='await send({"type": "lifespan.shutdown.failed", "message": "not flushed"}); return'))
    server = serve("site_app:app", "-k", "asgi")
    server.wait_ready()
    assert server.get().body == b"hello"
    server.stop()
    server.log.wait("lifespan shutdown failed: not flushed")
    server.log.wait("exited with code 255")


def test_shutdown_comes_after_the_last_answer(serve: Serve, write_app: WriteApp, tmp_path: Path) -> None:
    write_app(app())
    server = serve("site_app:app", "-k", "asgi")
    server.wait_ready()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.get, "/wait")
        server.log.wait("request begins")
        server.send(signal.SIGTERM)
        server.log.wait("Handling signal: term")
        (tmp_path / "go").touch()
        assert answer.result().body == b"hello"
    assert server.wait_exit() == 0
    text = server.log.text
    assert text.index("request ends") < text.index("shutdown runs")
