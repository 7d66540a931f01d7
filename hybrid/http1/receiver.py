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
from hybrid.http1.head import HeadParser, no_request_line, too_long_head, too_long_line, too_many_fields

_END = b"\r\n\r\n"
_EMPTY_LINE_SKIPPED = 1 << 62
"""In `_searched`: no head has this many bytes, so a search from there fails and the slow path sees it."""
_TCHARS = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Receiver:
    """One per connection; the HeadParser behind it is shared by all connections of a thread."""

    __slots__ = ("_ahead", "_limits", "_parser", "_searched", "body", "buffer")

    def __init__(self, parser: HeadParser, limits: Limits) -> None:
        self._parser = parser
        self._limits = limits
        self._searched = 0
        self._ahead = 0
        self.buffer = b""
        """Bytes received and not yet consumed: part of a head, or pipelined requests."""
        self.body: Body | None = None
        """The decoder of the current request's body; None when it has none, or the body has been read."""

    @property
    def ahead(self) -> int:
        """How many requests the client has sent ahead of answers, the last one that came back included.

        Set, on the connection that another process has read from, before those bytes are read anew.
        """
        return self._ahead

    @ahead.setter
    def ahead(self, count: int) -> None:
        self._ahead = max(0, count - 1)

    def next_request(self, data: bytes = b"") -> Request | None:
        """Take in bytes between two requests; the next request once its head is complete, else None.

        After a request came back, `body` says whether content follows: give the worker's further reads to
        `read_body()`, and what has come already with `read_body(b"")`. Raises ProtocolError, after which
        the connection must read no more requests.
        """
        buffer = self.buffer
        if buffer:
            data = buffer + data
        if self._searched:
            end = data.find(_END, self._searched)
        else:  # cheaper than find() for all but long heads: it need not parse its arguments
            end = len(data.partition(_END)[0])
            if end == len(data):
                end = -1
        if end < 4:
            return self._no_head(data)
        self._searched = 0
        end += 4
        if end == len(data):
            self.buffer = b""
            self._ahead = 0
            request = self._parser.parse(data)
        else:
            self.buffer = data[end:]
            self._ahead += 1
            request = self._parser.parse(data[:end])
            if self._ahead > self._limits.pipelined:
                request.keep_alive = False  # a client must expect that, and ask again for what it got no answer to
        length = request.content_length
        if length:
            self.body = ChunkedBody(self._limits) if length == CHUNKED else CountedBody(length)
        return request

    def read_whole(self) -> bytes | None:
        """The content of a request just begun, if it has a length and came with the head; else None."""
        body = self.body
        buffer = self.buffer
        if type(body) is not CountedBody or len(buffer) < body.remaining:
            return None
        self.body = None
        if len(buffer) == body.remaining:
            self.buffer = b""
            self._ahead = 0
            return buffer
        self.buffer = buffer[body.remaining :]
        return buffer[: body.remaining]

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
            if not rest:
                self._ahead = 0
        return content

    def hold(self, data: bytes) -> None:
        """Keep bytes that arrived while a response is under way: the next, pipelined request."""
        self.buffer += data

    def _no_head(self, data: bytes) -> Request | None:
        """No complete head yet, or one that begins with an empty line.

        One CRLF before a request line is dropped (RFC 9112 section 2.2), no more than one. It is not kept in
        `buffer`, for the client that sends it after a body has not begun its next request.
        """
        has_skipped = self._searched == _EMPTY_LINE_SKIPPED
        self.buffer = data
        if data[:1] in b"\r\n":
            if data[:2] == b"\r\n" and not has_skipped:
                self.buffer = b""
                self._searched = _EMPTY_LINE_SKIPPED
                return self._no_head(data[2:])
            if data and (has_skipped or data != b"\r"):
                raise no_request_line(data)
            return None
        if has_skipped:
            self.buffer = b""
            self._searched = 0
            return self.next_request(data)
        self._check_partial(data)
        self._searched = len(data) - 3 if len(data) > 3 else 0
        return None

    def _check_partial(self, data: bytes) -> None:
        """Refuse at once what can no longer become a head, or has grown beyond the limits."""
        limits = self._limits
        if (data[0] not in _TCHARS and data != b"\x16") or data.find(_END, 0, 7) > 0:
            raise no_request_line(data)
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
