"""What the asgi worker knows of a bridge to a WSGI application.

The bridge itself has all of WSGI behind it, half as much again as the worker has without. So only a worker whose
application needs it imports `bridge`, and the others tell by these classes that theirs does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid.asgi import Connection, RequestCycle
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.response import Prefixes

if TYPE_CHECKING:
    from hybrid.wsgi import App, Environ
    from hybrid_workers.deadline import Target


class BridgeCycle(RequestCycle):
    """One request of a WSGI application."""

    target: Target | None
    """The thread, as soon as one has taken the call."""


class Bridge:
    """The application with its threads; one per worker. Makes cycles as the service asks for them."""

    app: App

    def template(self, peer: Peer, root_path: str) -> Environ:
        """What all environs of a connection have in common."""
        raise NotImplementedError

    def http(self, template: Environ, request: Request) -> Environ:
        """The environ of a request."""
        raise NotImplementedError

    def cycle(self, request: Request, prefixes: Prefixes, connection: Connection, has_body: bool) -> BridgeCycle:
        raise NotImplementedError

    def stop(self) -> None:
        """End the threads."""
        raise NotImplementedError
