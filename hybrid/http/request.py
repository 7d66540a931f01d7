"""One request as every worker and adapter sees it."""

from __future__ import annotations

from typing import Final

NO_BODY: Final = 0
CHUNKED: Final = -1


class Request:
    """The head of a request, filled once by the parser. Slotted, because one is made per request.

    Everything is as received unless said otherwise; nothing is percent-decoded.
    """

    __slots__ = (
        "arrived",
        "client",
        "content_length",
        "expects_continue",
        "forwarded",
        "head",
        "headers",
        "host",
        "keep_alive",
        "method",
        "path",
        "query",
        "request_id",
        "root_path",
        "scheme",
        "server",
        "target",
        "underscored",
        "upgrade",
        "version",
        "wants_trailers",
    )

    method: str
    """Case as received: methods are case-sensitive (RFC 9110 section 9.1)."""
    target: bytes
    """The request-target, whole."""
    path: bytes
    """The path of the target, still percent-encoded; b"*" for asterisk-form; b"/" when absolute-form has none."""
    query: bytes
    """What follows the first "?", without it."""
    version: int
    """The minor version: HTTP/1.0 -> 0, HTTP/1.1 -> 1."""
    headers: list[tuple[bytes, bytes]]
    """Lower-case names, values without surrounding white space, order and duplicates kept."""
    host: bytes | None
    """The authority: of an absolute-form target, else the Host field, else None."""
    content_length: int
    """Length of the body in bytes; NO_BODY (0) or CHUNKED (-1)."""
    keep_alive: bool
    """The client allows another request on this connection."""
    expects_continue: bool
    wants_trailers: bool
    """The client takes fields behind the content (RFC 9110 section 10.1.4)."""
    upgrade: bytes
    """The Upgrade field, lower-case, if Connection names it; else b""."""
    forwarded: bool
    """Some field speaks for a proxy (X-Forwarded-*, Forwarded)."""
    underscored: list[tuple[bytes, bytes]] | None
    """Fields whose name has an underscore: kept apart from `headers`, see hybrid.http.fieldmap."""
    head: bytes
    """The exact bytes of the head, empty line included: what a hand-off passes on."""
    client: tuple[str, int] | None
    """Who asks: the peer, or whom a trusted proxy names. None on a unix socket."""
    server: tuple[str, int | None] | None
    """The local address: (host, port), or (path, None)."""
    scheme: str
    arrived: float
    """When it came, monotonic seconds; noted only where --queue-timeout is set."""
    request_id: bytes
    """X-Request-ID, for logs; b"" without."""
    root_path: str
    """Prefix under which the application is mounted, "" or "/like/this"."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field, by lower-case name."""
        for found, value in self.headers:
            if found == name:
                return value
        return None
