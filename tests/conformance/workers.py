"""The ways to serve one application: every worker class, and the WSGI application on the ASGI worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.server import ROOT, Server

WORKERS = {
    "sync": ("sync", "wsgi"),
    "gthread": ("gthread", "wsgi"),
    "gevent": ("gevent", "wsgi"),
    "asgi": ("asgi", "asgi"),
    "asgi-wsgi": ("asgi", "wsgi"),
}


@contextmanager
def serving(way: str, module: str, *options: str) -> Iterator[Server]:
    """A running server for `module`, which has an application named `wsgi` and one named `asgi`."""
    worker, application = WORKERS[way]
    server = Server(["-k", worker, *options, f"{module}:{application}"], ROOT)
    try:
        server.wait_ready()
        yield server
    finally:
        server.destroy()
