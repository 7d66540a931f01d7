"""The answer to a request that is not served: one short page, then the connection closes."""

from __future__ import annotations

from hybrid.errors import ProtocolError
from hybrid.http.status import phrase
from hybrid.http1.interim import CONTINUE
from hybrid.http1.response import Prefixes

__all__ = ["CONTINUE", "plain_page", "refusal"]


def refusal(error: ProtocolError, prefixes: Prefixes) -> bytes:
    """A whole response that says why."""
    return plain_page(error.status, f"{error.reason}\n", prefixes, extra=error.fields)


def plain_page(status: int, text: str, prefixes: Prefixes, *, extra: bytes = b"", head_only: bool = False) -> bytes:
    """A whole text/plain response with Connection: close. `extra` is further header lines, each ended."""
    content = f"{status} {phrase(status).decode()}: {text}".encode()
    head = b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n" % (
        prefixes.of(status),
        len(content),
        extra,
    )
    return head if head_only else head + content
