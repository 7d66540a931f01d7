"""The WSGI environ of a request. PEP 3333, "environ Variables"; RFC 3875 section 4.1.

Two thirds of it are the same for every request on a connection: they are put in a template when the
connection is accepted, and a request's environ begins as a copy. Text is bytes decoded as latin-1,
as PEP 3333 asks, so that nothing is lost and nothing can fail.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from hybrid import __version__
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http.tls_facts import TlsFacts
from hybrid.wsgi.errors_stream import TextSink
from hybrid.wsgi.file_wrapper import FileWrapper
from hybrid.wsgi.input import NO_INPUT

Environ: TypeAlias = "dict[str, Any]"

_KEYS: dict[bytes, str] = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    # An environ of CGI makes HTTP_PROXY of it, which libraries take for the proxy to use: httpoxy.
    b"proxy": "",
}
"""Field name, lower-case -> its key; "" for one that must not get in."""
_MOST = 1024
_LONGEST = 64
_LATER = ("RAW_URI", "PATH_INFO", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT")
"""Every environ has these, and its own."""


def _learn(name: bytes) -> str:
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(_KEYS) < _MOST and len(name) <= _LONGEST:
        _KEYS[name] = key
    return key


class Environs:
    """Makes environs for one worker: what they all have in common, then per connection, then per request."""

    __slots__ = ("_base", "_is_plain", "_is_stripped", "_prefix", "_root", "_under")

    def __init__(
        self,
        *,
        errors: TextSink,
        is_multithread: bool,
        is_multiprocess: bool,
        root_path: str = "",
        is_root_stripped: bool = False,
    ) -> None:
        """`is_root_stripped`: the proxy in front has taken the root path off the paths it passes on."""
        self._root = root_path.rstrip("/")
        self._prefix = self._root.encode("latin-1", "replace")
        self._under = self._prefix + b"/"
        self._is_stripped = is_root_stripped
        self._is_plain = is_root_stripped or not self._root
        self._base: Environ = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": NO_INPUT,
            "wsgi.input_terminated": True,
            "wsgi.errors": errors,
            "wsgi.multithread": is_multithread,
            "wsgi.multiprocess": is_multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "REQUEST_METHOD": "GET",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "QUERY_STRING": "",
            "SERVER_SOFTWARE": f"hybrid/{__version__}",
            "SCRIPT_NAME": self._root,
        }
        for key in _LATER:
            self._base[key] = ""
        # With 22 a dictionary grows, which fills it anew. Let that happen here: a copy has the same room.
        extra = [f"{index}" for index in range(22 - len(self._base))]
        self._base.update(dict.fromkeys(extra))
        for key in extra:
            del self._base[key]

    def template(self, peer: Peer) -> Environ:
        """What every request on one connection has in common."""
        environ = self._base.copy()
        environ["wsgi.url_scheme"] = peer.scheme
        _set_client(environ, peer.client)
        if peer.tls is not None:
            _set_tls(environ, peer.tls)
        host, port = peer.server
        if port is None:  # a unix socket has no name that a URL could use; the Host field replaces this
            host, port = "localhost", 443 if peer.scheme == "https" else 80
        environ["SERVER_NAME"] = host
        environ["SERVER_PORT"] = str(port)
        return environ

    def of(self, request: Request, template: Environ) -> Environ:
        """The environ of one request: a new dict that the application may do with as it likes."""
        environ = template.copy()
        if request.method != "GET":
            environ["REQUEST_METHOD"] = request.method
        if not request.version:
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        path = request.path
        text = path.decode("latin-1")  # which costs little more than half of str(path, "latin-1")
        if path is request.target:
            environ["RAW_URI"] = text
        else:
            environ["RAW_URI"] = request.target.decode("latin-1")
            environ["QUERY_STRING"] = request.query.decode("latin-1")
        if 37 in path:  # "%"; b"%" would be tried as a number first, which raises
            path = unquote_to_bytes(path)
            text = path.decode("latin-1")
        if not self._is_plain and (path.startswith(self._under) or path == self._prefix):
            text = text[len(self._root) :]
        environ["PATH_INFO"] = text
        keys = _KEYS
        for name, value in request.headers:
            try:
                key = keys[name]
            except KeyError:
                key = _learn(name)
            if key in environ:
                separator = "; " if key == "HTTP_COOKIE" else ","
                environ[key] = f"{environ[key]}{separator}{value.decode('latin-1')}"
            elif key:
                environ[key] = value.decode("latin-1")
        if (
            request.forwarded
            or request.client is None
            or request.root_path != self._root
            or request.scheme != template["wsgi.url_scheme"]
        ):
            self._amend(environ, request)
        return environ

    def _amend(self, environ: Environ, request: Request) -> None:
        """Where one request says otherwise than its connection: behind a proxy, or on a unix socket."""
        environ["wsgi.url_scheme"] = request.scheme
        _set_client(environ, request.client)
        if request.server is not None and request.server[1] is not None:
            environ["SERVER_PORT"] = str(request.server[1])
        elif request.host:
            environ["SERVER_NAME"], environ["SERVER_PORT"] = _authority(request.host, request.scheme)
        root = request.root_path.rstrip("/")
        if root != self._root:
            path = unquote_to_bytes(request.path)
            prefix = root.encode("latin-1", "replace")
            if not self._is_stripped and (path == prefix or path.startswith(prefix + b"/")):
                path = path[len(prefix) :]
            environ["SCRIPT_NAME"] = root
            environ["PATH_INFO"] = str(path, "latin-1")


def _set_client(environ: Environ, client: tuple[str, int] | None) -> None:
    if client is None:
        environ["REMOTE_ADDR"] = ""
        environ.pop("REMOTE_PORT", None)
    else:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])


def _set_tls(environ: Environ, tls: TlsFacts) -> None:
    """Under the names that Apache's mod_ssl has made customary."""
    environ["HTTPS"] = "on"
    environ["SSL_PROTOCOL"] = tls.version
    environ["SSL_CIPHER"] = tls.cipher
    environ["SSL_CLIENT_VERIFY"] = "SUCCESS" if tls.client_certificate else "NONE"
    if tls.client_certificate:
        environ["SSL_CLIENT_CERT"] = tls.client_certificate
        environ["SSL_CLIENT_S_DN"] = tls.client_name


def _authority(host: bytes, scheme: str) -> tuple[str, str]:
    """Name and port of a Host field, the port of the scheme when it has none."""
    name, separator, port = host.rpartition(b":")
    if not separator or not port.isdigit():
        name, port = host.rstrip(b":"), b"443" if scheme == "https" else b"80"
    return str(name, "latin-1"), str(port, "latin-1")
