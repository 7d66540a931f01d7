"""Interim responses: 100 Continue and 103 Early Hints. RFC 9110 section 15.2, RFC 8297."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hybrid.http.request import Request
from hybrid.http1.response import NOT_INTERIM, Header, ResponseError, header_line

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def early_hints(request: Request, headers: Iterable[Header]) -> bytes:
    """A 103 with these fields, to be written before the head of the final response.

    b"" when the client speaks HTTP/1.0, in which there are no interim responses, or there is nothing to say.
    Raises ResponseError for an invalid field and for one that would frame content.
    """
    lines = []
    for header in headers:
        line, meaning = header_line(*header)
        if meaning in NOT_INTERIM:
            raise ResponseError(f"header {header[0]!r} has no meaning in early hints (RFC 8297 section 2)")
        lines.append(line)
    if not lines or not request.version:
        return b""
    return b"".join((b"HTTP/1.1 103 Early Hints\r\n", *lines, b"\r\n"))
