"""The test's side of `apps/gated.py`: hold requests inside the application, and let them go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.integration.server import WAIT_S, Answer, Server

APPS = Path(__file__).parent / "apps"

KINDS = {
    "sync": ("sync", "gated:wsgi_app"),
    "gthread": ("gthread", "gated:wsgi_app"),
    "gevent": ("gevent", "gated:wsgi_app"),
    "asgi-wsgi": ("asgi", "gated:wsgi_app"),
    "asgi": ("asgi", "gated:asgi_app"),
}
"""Worker class and application, by the name that a test shows."""


class Gate:
    """A unix socket that the application connects to while it waits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gate"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._listener.settimeout(WAIT_S)

    @property
    def environ(self) -> dict[str, str]:
        return {"GATE": str(self.path)}

    def entered(self) -> socket.socket:
        """Wait until a request is inside the application. Closing the result lets it go on."""
        return self._listener.accept()[0]

    @contextmanager
    def held(self, server: Server) -> Iterator[tuple[socket.socket, Future[Answer]]]:
        """A request that is inside the application: what holds it, and its answer to come."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.get, "/wait")
            with self.entered() as hold:
                yield hold, answer

    def close(self) -> None:
        self._listener.close()
