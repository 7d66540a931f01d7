"""What stands between accept() and the first byte of HTTP: a PROXY header, then the TLS handshake.

Neither may keep a worker waiting, so an Admission is a connection before it is one: it goes on whenever its
socket is ready and says what it waits for. With plain HTTP and no PROXY protocol there is no Admission at all.

Bytes are looked at before they are taken (MSG_PEEK): those behind a PROXY header belong to TLS or HTTP, and
a client that speaks plain HTTP on a TLS port can only be told so in plain HTTP.
"""

from __future__ import annotations

import logging
import socket
from math import inf
from typing import TYPE_CHECKING, Final

from hybrid.contract import WorkerContext
from hybrid.errors import ClientGone, ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.proxies import ProxyRules
from hybrid.http.trust import TrustedPeers
from hybrid.http1.proxy_protocol import ProxyDecoder, begins_as_proxied
from hybrid_workers.notices import Notices
from hybrid_workers.poller import READ, WRITE

if TYPE_CHECKING:
    import ssl

    from hybrid_workers.tls_transport import TlsTransport

_PEEK: Final = 16 + 4096
_HANDSHAKE: Final = 0x16
"""The first byte of every TLS connection."""


class Admissions:
    """The rules; one per worker."""

    def __init__(self, context: WorkerContext, rules: ProxyRules) -> None:
        settings = context.settings
        self.rules = rules
        self.tls: ssl.SSLContext | None = context.tls
        self.scheme = "https" if self.tls is not None else "http"
        self.mode = settings.proxy_protocol
        self.proxies = TrustedPeers(settings.proxy_allow_ips, setting="--proxy-allow-from")
        self.timeout = settings.tls_handshake_timeout or inf
        self.is_needed = self.tls is not None or self.mode != "off"
        """Connections cannot be served as they are accepted."""
        self._log: logging.Logger = context.log
        self._notices = Notices(context.log.warning)

    def meet(self, client: tuple[str, int] | None, server: tuple[str, int | None]) -> Peer:
        """The peer of a connection that needs no admission, or is past it."""
        return self.rules.meet(client, server, self.scheme)

    def tell_refused(self, peer: Peer, error: ProtocolError) -> None:
        """Log that a request was answered with an error of the client's."""
        if error.status != 408:  # slow clients are no news
            host = peer.client[0] if peer.client else "unix"
            self._notices.tell(error.reason, host, f"Invalid request from ip={host}: {error}")

    def tell_failed(self, admission: Admission, error: Exception) -> None:
        """Log why a connection was not admitted; no client can fill the log with it."""
        host = admission.client[0] if admission.client else "unix"
        reason = getattr(error, "reason", None)  # of an ssl.SSLError; None where OpenSSL says nothing
        if isinstance(error, ProtocolError):
            self._notices.tell(error.reason, host, f"Invalid request from ip={host}: {error}")
        elif isinstance(reason, str):
            reason = reason.lower().replace("_", " ")
            self._notices.tell(reason, host, f"TLS handshake with {host} failed: {reason}")
        elif isinstance(error, TimeoutError):
            self._log.debug("TLS handshake or PROXY header of %s took longer than %g s", host, self.timeout)
        else:
            self._log.debug("%s left before it could be served: %s", host, error)


class Admission:
    """One connection on its way in."""

    __slots__ = (
        "_admissions",
        "_decoder",
        "_is_tls_due",
        "client",
        "deadline",
        "server",
        "sock",
        "transport",
        "watched",
    )

    def __init__(
        self,
        admissions: Admissions,
        sock: socket.socket,
        client: tuple[str, int] | None,
        server: tuple[str, int | None],
        now: float,
    ) -> None:
        """`sock` is connected and non-blocking."""
        self._admissions = admissions
        self.sock = sock
        self.transport: TlsTransport | None = None
        """Above the socket, as soon as TLS has begun; then the socket itself is of no more use."""
        self.client = client
        self.server = server
        self.deadline = now + admissions.timeout
        self.watched = 0
        """For the worker: the events that its poller reports."""
        self._decoder: ProxyDecoder | None = None
        if admissions.mode != "off":
            self._decoder = ProxyDecoder(admissions.mode)
        self._is_tls_due = admissions.tls is not None

    @property
    def peer(self) -> Peer:
        """Who was admitted."""
        peer = self._admissions.meet(self.client, self.server)
        if self.transport is not None:
            peer.tls = self.transport.facts
        return peer

    def advance(self) -> int:
        """Go on as far as the bytes reach: the events to wait for, 0 when HTTP may begin.

        Raises ProtocolError, which is to be answered in plain HTTP; OSError when there is nobody to answer.
        """
        wanted = self.advance_to_tls()
        if wanted or not self._is_tls_due:
            return wanted
        if self.transport is None:
            context = self._admissions.tls
            assert context is not None, "TLS is due"
            from hybrid_workers.tls_transport import TlsTransport  # here: who serves plain HTTP need not load OpenSSL

            self.transport = TlsTransport(self.sock, context)
        waits_for = self.transport.handshake()
        if waits_for:
            return READ if waits_for == "read" else WRITE
        self._is_tls_due = False
        return 0

    def advance_to_tls(self) -> int:
        """As `advance()`, but 0 when TLS may begin: for a worker that leaves it to its event loop."""
        if self.transport is not None:
            return 0
        if self._decoder is not None and not self._take_proxy_header(self._decoder):
            return READ
        if self._is_tls_due:
            first = self._peek(1)
            if not first:
                return READ
            if first[0] != _HANDSHAKE:
                raise ProtocolError(400, "plain HTTP was sent to a TLS port; use https")
        return 0

    def close(self) -> None:
        """Give up."""
        (self.transport or self.sock).close()

    def _take_proxy_header(self, decoder: ProxyDecoder) -> bool:
        """Decode and consume it; False while more of it is to come."""
        data = self._peek(_PEEK)
        if not data:
            return False
        if not self._admissions.proxies.includes(self.client[0] if self.client else None):
            self._decoder = None
            if begins_as_proxied(data):
                raise ProtocolError(
                    400, "a PROXY header from a peer that is not trusted; if it is your proxy, see --proxy-allow-from"
                )
            return True
        proxied = decoder.feed(data)
        # What has come of an incomplete header belongs to it entirely, so it can be taken: else the socket would
        # stay readable, and we would be woken again and again for the same bytes.
        self.sock.recv(len(data) - (len(proxied.rest) if proxied is not None else 0))
        if proxied is None:
            return False
        self._decoder = None
        if proxied.client is not None:
            self.client = proxied.client
            self.server = proxied.server or self.server
        return True

    def _peek(self, size: int) -> bytes:
        """b"" when nothing has come yet. Raises ClientGone."""
        try:
            data = self.sock.recv(size, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return b""
        if not data:
            raise ClientGone("the client closed the connection")
        return data
