"""The receiving half of one connection: bytes in, requests and their content out. Sans-IO.

A worker feeds what it read and is told when a head is complete; while a request with a body is under
way it feeds on and gets content; bytes beyond the end of a request stay in `buffer` until the response
is out. The worker stops reading while `buffer` holds a pipelined request: that is all the flow control
there is, and it bounds the memory to one read.
"""

from __future__ import annotations

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.request import CHUNKED, Request
from hybrid.http1.body import Body, ChunkedBody, CountedBody
from hybrid.http1.head import HeadParser, too_long_head, too_long_line, too_many_fields

_TCHARS = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Receiver:
    """One per connection; the HeadParser behind it is shared by all connections of a thread."""

    __slots__ = ("_limits", "_parse", "_searched", "body", "buffer")

    def __init__(self, parser: HeadParser, limits: Limits) -> None:
        self._parse = parser.parse
        self._limits = limits
        self._searched = 0
        self.buffer = b""
        """Bytes received and not yet consumed: part of a head, or pipelined requests."""
        self.body: Body | None = None
        """The decoder of the current request's body; None when it has none, or the body has been read."""

    def next_request(self, data: bytes = b"") -> Request | None:
        """Take in bytes between two requests; the next request once its head is complete, else None.

        After a request came back, `body` says whether content follows: give the worker's further reads to
        `read_body()`, and what has come already with `read_body(b"")`. Raises ProtocolError, after which
        the connection must read no more requests.
        """
        buffer = self.buffer
        if buffer:
            data = buffer + data
        end = data.find(b"\r\n\r\n", self._searched)
        if end < 4:  # no head, or one that begins with empty lines
            if end >= 0 or data[:1] in b"\r\n":
                return self._skip_empty_line(data)
            self.buffer = data
            self._check_partial(data)
            self._searched = max(0, len(data) - 3)
            return None
        self._searched = 0
        end += 4
        if end == len(data):
            self.buffer = b""
        else:
            self.buffer = data[end:]
            data = data[:end]
        request = self._parse(data)
        length = request.content_length
        if length:
            self.body = ChunkedBody(self._limits) if length == CHUNKED else CountedBody(length)
        return request

    def read_body(self, data: bytes) -> bytes:
        """Take in bytes of the current request's body; returns content, b"" if there is none yet.

        When the body ends, `body` becomes None and what follows is in `buffer`. Raises ProtocolError.
        """
        body = self.body
        assert body is not None, "no body is under way"
        if self.buffer:
            data = self.buffer + data
            self.buffer = b""
        content, rest = body.feed(data)
        if body.is_complete:
            self.body = None
            self.buffer = rest
        return content

    def hold(self, data: bytes) -> None:
        """Keep bytes that arrived while a response is under way: the next, pipelined request."""
        self.buffer += data

    def _skip_empty_line(self, data: bytes) -> Request | None:
        """One CRLF before a request line is ignored (RFC 9112 section 2.2), no more than one."""
        self._searched = 0
        if data[:2] == b"\r\n" and data[2:4] != b"\r\n":
            self.buffer = b""
            if data[2:] and data[2:3] not in b"\r\n":
                return self.next_request(data[2:])
        self.buffer = data
        if not b"\r\n\r".startswith(data):
            raise ProtocolError(400, "malformed request line", "RFC 9112 section 3")
        return None

    def _check_partial(self, data: bytes) -> None:
        """Refuse at once what can no longer become a head, or has grown beyond the limits."""
        if not data:
            return
        limits = self._limits
        if data[0] not in _TCHARS:
            raise ProtocolError(400, "this is not HTTP", "RFC 9112 section 3")
        line_end = data.find(b"\r\n", 0, limits.request_line + 2)
        if line_end < 0 and len(data) > limits.request_line + 1:
            raise too_long_line(limits)
        if len(data) > limits.head:
            raise too_long_head(limits)
        lines = data.count(b"\r\n")
        if lines != data.count(b"\n"):
            raise ProtocolError(400, "a line that ends in a bare LF", "RFC 9112 section 2.2")
        if lines > limits.fields + 1:
            raise too_many_fields(limits)
