"""The field lines of a head, split by llhttp (C).

Its defaults are strict: no bare CR or LF, no folding, no control bytes, no space before the colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from hybrid.errors import ProtocolError

if TYPE_CHECKING:
    from hybrid.http1.head import HeadParser, Lines


class HttptoolsFields:
    """See `hybrid.http1.head.FieldParser`."""

    __slots__ = ()

    def begin(self, builder: HeadParser) -> Lines:
        feed: Lines = httptools.HttpRequestParser(builder).feed_data
        return feed

    def judge(self, error: Exception) -> None:
        if isinstance(error, httptools.HttpParserUpgrade):
            return
        # llhttp also judges framing fields. Where the rule is ours (framing, upgrade) it must be
        # we who judge, or h11 and httptools would differ: only the grammar of a line counts here.
        if isinstance(error, httptools.HttpParserError):
            raise ProtocolError(400, f"malformed header field: {str(error).lower()}", "RFC 9112 section 5") from None
        raise error
