"""The field lines of a head, split by llhttp (C).

Its defaults are strict: no bare CR or LF, no folding, no control bytes, no space before the colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools

from hybrid.errors import ProtocolError

if TYPE_CHECKING:
    from hybrid.http1.head import HeadParser

_START = b"GET / HTTP/1.1"


class HttptoolsFields:
    """See `hybrid.http1.head.FieldParser`."""

    __slots__ = ("_builder", "_parser")

    def __init__(self) -> None:
        self._parser: Any = None
        self._builder: HeadParser | None = None

    def parse(self, block: bytes, builder: HeadParser) -> None:
        parser = self._parser
        if parser is None or self._builder is not builder:
            self._builder = builder
            parser = self._parser = httptools.HttpRequestParser(builder)
        try:
            parser.feed_data(_START + block)
        except httptools.HttpParserUpgrade:
            self._parser = None
        except httptools.HttpParserError as error:
            self._parser = None
            # llhttp also judges framing fields. Where the rule is ours (framing, upgrade) it must be
            # we who judge, or h11 and httptools would differ: only the grammar of a line counts here.
            raise ProtocolError(400, f"malformed header field: {str(error).lower()}", "RFC 9112 section 5") from None

    def spent(self) -> None:
        """The last head announced a body or the end of the connection: llhttp waits for that, so start afresh."""
        self._parser = None
