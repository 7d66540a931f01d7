"""The http scope: what an ASGI application is told of a request.

What is the same for all requests of a connection is put together once, as a template that is copied.
Everything mutable is new for each request (the scope, `asgi`, `headers`, `state`, `extensions`), because
applications and middlewares do write into it; of `state` the copy is shallow, as the specification has it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from hybrid.asgi.extensions import ALWAYS, HTTP_1_1, TRAILERS
from hybrid.asgi.types import Scope
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http.tls_facts import TlsFacts

ASGI_VERSION = "3.0"
SPEC_VERSION = "2.5"
_ASGI = {"version": ASGI_VERSION, "spec_version": SPEC_VERSION}


class Scopes:
    """Makes the scopes of one worker. `state` is the namespace that lifespan startup has filled."""

    __slots__ = ("_is_stripped", "state")

    def __init__(self, *, state: dict[str, Any] | None = None, is_stripped: bool = False) -> None:
        """`is_stripped`: the proxy has taken the root path off the path, so it is put back (--root-path-mode)."""
        self.state: dict[str, Any] = {} if state is None else state
        self._is_stripped = is_stripped

    def template(self, peer: Peer, root_path: str) -> Scope:
        """What all requests of one connection have in common."""
        return {
            "type": "http",
            "asgi": None,
            "http_version": "1.1",
            "method": "GET",
            "scheme": peer.scheme,
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": root_path,
            "headers": None,
            "client": peer.client,
            "server": peer.server,
            "state": None,
            "extensions": offered(peer.tls),
        }

    def http(self, template: Scope, request: Request) -> Scope:
        """The scope of one request on the connection of that template."""
        scope = template.copy()
        scope["asgi"] = _ASGI.copy()
        if request.method != "GET":
            scope["method"] = request.method.upper()
        scope["raw_path"] = path = request.path
        scope["path"] = text = decoded(path)
        if request.query:
            scope["query_string"] = request.query
        scope["headers"] = request.headers
        scope["state"] = self.state.copy()
        if not request.version:
            scope["http_version"] = "1.0"
        if request.forwarded:
            scope["scheme"] = request.scheme
            scope["client"] = request.client
            scope["server"] = request.server
        if request.root_path:
            scope["path"], scope["root_path"] = mounted(
                text, request.root_path.rstrip("/"), is_stripped=self._is_stripped
            )
        offers: dict[str, Any] = scope["extensions"]
        scope["extensions"] = extensions = offers.copy()
        if not request.version:
            for name in HTTP_1_1:
                del extensions[name]
        elif request.wants_trailers:
            extensions[TRAILERS] = {}
        return scope


def offered(tls: TlsFacts | None) -> dict[str, Any]:
    """The extensions that requests of a connection have in common, as the scope names them."""
    extensions: dict[str, Any] = {name: {} for name in (*ALWAYS, *HTTP_1_1)}
    if tls is not None:
        extensions["tls"] = {
            "server_cert": None,  # what is in our own file is not worth reading it for each connection
            "client_cert_chain": [tls.client_certificate] if tls.client_certificate else [],
            "client_cert_name": tls.client_name or None,
            "client_cert_error": None,
            "tls_version": tls.version_number,
            "cipher_suite": None,
        }
    return extensions


def decoded(path: bytes) -> str:
    """The path as text: percent-decoded, then UTF-8.

    What is not UTF-8 becomes U+FFFD rather than an error: scanners send such paths all day, the application
    answers 404 to them, and `raw_path` has the bytes for whoever needs them. NUL and %2F are decoded like the rest.
    """
    if 37 in path:  # "%"; b"%" would be tried as a number first, which raises
        path = unquote_to_bytes(path)
    try:
        return path.decode()
    except UnicodeDecodeError:
        return path.decode("utf-8", "replace")


def mounted(path: str, root_path: str, *, is_stripped: bool) -> tuple[str, str]:
    """(path, root_path) for the scope, in which `path` includes the root path.

    A path that merely begins with the same letters (/authx under /auth) is not within the root path, and an
    application that removed the prefix from it would take it for another; so it is given without a root path.
    """
    if is_stripped:
        return (root_path + path if path[:1] == "/" else path), root_path
    if path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] not in ("", "/"):
        return path, ""
    return path, root_path
