"""Who is at the other end of a connection, decided once when it is accepted and not once a request."""

from __future__ import annotations

from hybrid.http.tls_facts import TlsFacts


class Peer:
    """The facts of one connection that every request on it starts from."""

    __slots__ = ("client", "is_trusted", "scheme", "server", "tls")

    def __init__(
        self,
        client: tuple[str, int] | None,
        server: tuple[str, int | None],
        scheme: str = "http",
        tls: TlsFacts | None = None,
        is_trusted: bool = False,
    ) -> None:
        self.client = client
        """(host, port); None on a unix socket."""
        self.server = server
        """Our end: (host, port), or (path, None) on a unix socket."""
        self.scheme = scheme
        self.tls = tls
        self.is_trusted = is_trusted
        """The peer is a proxy whose forwarded fields are believed: see `hybrid.http.proxies.ProxyRules.meet()`."""

    @property
    def label(self) -> str:
        """For logs: "127.0.0.1:50312", or "unix"."""
        return f"{self.client[0]}:{self.client[1]}" if self.client else "unix"
