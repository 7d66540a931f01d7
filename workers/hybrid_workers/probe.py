"""`--ready-probe`: a worker requests a path of itself before anybody else can.

It serves a listener of its own first, on the loopback interface, and the arbiter's only once the answer was good. So
what is tested is everything that a client will meet - parser, adapter, middleware, application - and no
client meets it before. The request is made by a thread, because the worker's main thread serves it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

from hybrid.contract import Listener, Worker, WorkerContext
from hybrid.errors import SettingsError
from hybrid.http.trust import TrustedPeers

_MOST_BYTES = 1 << 20
_V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


class Admitting(Protocol):
    """A worker that can begin with a listener of its own."""

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        """Serve these from now on, and close those of the context. Called in another thread."""


class Probe:
    """Made before the worker is; `start` it before `serve()`."""

    def __init__(self, context: WorkerContext) -> None:
        """Puts a listener of ours in the place of the context's."""
        self._context = context
        self._public = context.listeners
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._address = self._listener.getsockname()
        context.listeners = (Listener(self._listener, f"http://127.0.0.1:{self._address[1]}"),)

    def start(self, worker: Worker, on_end: Callable[[str], None]) -> None:
        """Request the path once the worker serves. `on_end` gets "" or what was wrong, in the probe's thread.

        Raises SettingsError for a worker class that cannot be probed.
        """
        if not callable(getattr(worker, "admit", None)):
            name = self._context.worker_class or self._context.settings.worker_class
            raise SettingsError(f"setting ready_probe: worker class {name!r} has no admit(); leave out --ready-probe")
        admitting = cast("Admitting", worker)
        tls = self._context.tls
        asks_for = tls.verify_mode if tls is not None else None
        if tls is not None:
            tls.verify_mode = ssl.CERT_NONE  # we have no certificate that a client could show; nobody else gets in yet

        def run() -> None:
            problem = self._ask()
            if tls is not None and asks_for is not None:
                tls.verify_mode = asks_for
            if not problem:
                admitting.admit(self._public)
            on_end(problem)

        threading.Thread(target=run, name="hybrid-ready-probe", daemon=True).start()

    def _ask(self) -> str:
        target = self._context.settings.ready_probe
        began = monotonic()
        try:
            status = self._request(target)
        except (OSError, ValueError) as error:
            return f"GET {target}: {error}"
        if status >= 400:
            return f"GET {target}: answered {status} after {monotonic() - began:.2f} s, expected a status below 400"
        return ""

    def _is_our_proxy(self) -> bool:
        """May a peer on the loopback interface send a PROXY header? From one that may not none is expected."""
        return TrustedPeers(self._context.settings.proxy_allow_ips).includes(self._address[0])

    def _request(self, target: str) -> int:
        """The status of the answer. Raises OSError, ValueError. The arbiter's deadline for a boot bounds it."""
        settings, tls = self._context.settings, self._context.tls
        host = "localhost"
        if target.startswith("//"):
            host, _, path = target[2:].partition("/")
            target = "/" + path
        with socket.create_connection(self._address, timeout=settings.boot_timeout or None) as plain:
            if settings.proxy_protocol != "off" and self._is_our_proxy():
                plain.sendall(_V2_LOCAL if settings.proxy_protocol == "v2" else b"PROXY UNKNOWN\r\n")
            sock = plain
            if tls is not None:
                unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it is ourselves that we talk to
                unverified.check_hostname = False
                unverified.verify_mode = ssl.CERT_NONE
                sock = unverified.wrap_socket(plain, server_hostname=host)
            sock.sendall(
                f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hybrid-ready-probe\r\n"
                "Connection: close\r\n\r\n".encode("ascii")
            )
            answer = b""
            while len(answer) < _MOST_BYTES and (data := sock.recv(65536)):
                answer += data
        words = answer[:64].split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise ValueError("the connection closed without an answer")
        return int(words[1])
