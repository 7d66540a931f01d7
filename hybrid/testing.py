"""A real server for a test: `with serve(app) as server: httpx.get(server.url)`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hybrid.api import Server
from hybrid.errors import WorkerBootError

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Served:
    """Where it listens."""

    server: Server
    url: str
    """ "http://127.0.0.1:40123", without a slash at the end."""
    port: int


@contextmanager
def serve(app: object, **settings: object) -> Iterator[Served]:
    """Serve an ASGI or WSGI application on a free port of 127.0.0.1, in a thread, until the block ends.

    Lifespan startup is over when the block begins, and shutdown when it has ended. What goes wrong at the
    start is raised here.
    """
    if not {"bind", "port", "host", "uds", "fd"}.intersection(settings):
        settings["bind"] = "127.0.0.1:0"
    server = Server(app, **{"loglevel": "warning", "graceful_timeout": 5.0, **settings})
    failures: list[BaseException] = []
    is_decided = threading.Event()

    def work() -> None:
        try:
            server.run(is_decided.set)
        except BaseException as error:
            failures.append(error)
        finally:
            is_decided.set()

    thread = threading.Thread(target=work, name="hybrid-testing", daemon=True)
    thread.start()
    if not is_decided.wait(_PATIENCE_S):
        server.should_exit = True
        raise WorkerBootError(f"the server did not start within {_PATIENCE_S:g} s")
    if failures:
        thread.join()
        raise failures[0]
    try:
        first = server.listeners[0]
        yield Served(server, server.url, 0 if first.is_unix else server.port)
    finally:
        server.should_exit = True
        thread.join(_PATIENCE_S)
        if failures:
            raise failures[0]
