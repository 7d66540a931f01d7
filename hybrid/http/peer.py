"""Who is at the other end of a connection, decided once when it is accepted and not once a request."""

from __future__ import annotations

from dataclasses import dataclass

from hybrid.http.tls_facts import TlsFacts


@dataclass(slots=True)
class Peer:
    """The facts of one connection that every request on it starts from."""

    client: tuple[str, int] | None
    """(host, port); None on a unix socket."""
    server: tuple[str, int | None]
    """Our end: (host, port), or (path, None) on a unix socket."""
    scheme: str = "http"
    tls: TlsFacts | None = None
    is_trusted: bool = False
    """The peer is a proxy whose forwarded fields are believed: see `hybrid.http.proxies.ProxyRules.meet()`."""

    @property
    def label(self) -> str:
        """For logs: "127.0.0.1:50312", or "unix"."""
        return f"{self.client[0]}:{self.client[1]}" if self.client else "unix"
