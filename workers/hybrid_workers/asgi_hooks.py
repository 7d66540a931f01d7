"""pre_request and post_request in the asgi worker, around each HTTP request; nothing of this is there without them.

pre_request runs where the application does, so that what it raises is answered as what the application raises.
post_request comes where the access log is written: after the answer, whichever way it ended. Both hold up the event
loop for as long as they take, as in gunicorn's asgi worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hybrid.asgi import App, Connection, Cycle
from hybrid.asgi.types import Receive, Scope, Send
from hybrid.hooks import RequestHooks, ResponseView
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.response import Prefixes
from hybrid.logs import AccessLog
from hybrid.logs.atoms import LoggedRequest
from hybrid.logs.views import environ_of
from hybrid.wsgi import Environ
from hybrid_workers.bridging import Bridge

_KEY = "hybrid.request"


class HookedCycles:
    """Makes cycles of an ASGI application that call pre_request first."""

    def __init__(self, app: App, hooks: RequestHooks) -> None:
        self._app = app
        self._hooks = hooks

    def __call__(self, request: Request, prefixes: Prefixes, connection: Connection, has_body: bool) -> Cycle:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            if not cycle.is_disconnected:  # else nobody would call post_request any more
                self._hooks.before(request)
            await self._app(scope, receive, send)

        cycle = Cycle(call, request, prefixes, connection, has_body)
        return cycle


class HookedBridge:
    """Stands where the bridge makes environs, so that a WSGI application's thread can call pre_request."""

    def __init__(self, bridge: Bridge, hooks: RequestHooks) -> None:
        self._bridge = bridge
        self._hooks = hooks
        self._app = bridge.app
        bridge.app = self._call

    def template(self, peer: Peer, root_path: str) -> Environ:
        return self._bridge.template(peer, root_path)

    def http(self, template: Environ, request: Request) -> Environ:
        environ = self._bridge.http(template, request)
        environ[_KEY] = request
        return environ

    def _call(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self._hooks.before(environ.pop(_KEY))
        return self._app(environ, start_response)


class HookedAccess(AccessLog):
    """Calls post_request on the way to the access log, which there need not be."""

    __slots__ = ("_hooks", "_inner")

    def __init__(self, hooks: RequestHooks, inner: AccessLog | None) -> None:
        self._hooks = hooks
        self._inner = inner
        self.needs_environ = inner is not None and inner.needs_environ
        self.needs_response_headers = True

    def log(
        self,
        request: LoggedRequest,
        status: int,
        response_bytes: int,
        duration_s: float,
        client: str,
        response_headers: list[tuple[bytes, bytes]] | None = None,
        environ: Mapping[str, object] | None = None,
    ) -> None:
        if self._inner is not None:
            self._inner.log(request, status, response_bytes, duration_s, client, response_headers, environ)
        if self._hooks.has_begun(request):  # not a WebSocket, nor what was refused before the application was called
            view = ResponseView(status, response_headers or (), response_bytes)
            self._hooks.after(request, environ or environ_of(request, client), view)

    def flush(self) -> None:
        if self._inner is not None:
            self._inner.flush()
