"""Request bodies off the wire: a counted one and a chunked one. RFC 9112 sections 6 and 7.1.

Both are fed whatever arrived and give back the content and what follows the body, so that bytes of
the next request are never taken for content.
"""

from __future__ import annotations

import re
from typing import Protocol

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.names import KNOWN, Field, learn

_SIZE_LINE = 256
"""A chunk-size line with its extensions: an extension means nothing to us and is only let through if short."""
_is_size_line = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb"(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|\"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*\"))?)*"
).fullmatch
_SIZES = {b"%x" % size: size for size in range(1, 4097)}
"""Size lines that need no looking into: a flood of tiny chunks costs a third of what it would."""
_is_field_line = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)").fullmatch
_FORBIDDEN_TRAILERS = frozenset(
    {Field.HOST, Field.CONTENT_LENGTH, Field.TRANSFER_ENCODING, Field.CONNECTION, Field.EXPECT, Field.UPGRADE}
)


class Body(Protocol):
    """A decoder for one body."""

    is_complete: bool

    @property
    def remaining(self) -> int:
        """So many bytes are to come at most, and more than can be read at once if it is not known."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Decode: (content, what follows the body). The second is b"" until `is_complete`."""


class CountedBody:
    """Content-Length octets."""

    __slots__ = ("is_complete", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.is_complete = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        remaining = self.remaining
        size = len(data)
        if size < remaining:
            self.remaining = remaining - size
            return data, b""
        self.remaining = 0
        self.is_complete = True
        if size == remaining:
            return data, b""
        return data[:remaining], data[remaining:]


class ChunkedBody:
    """Chunked transfer coding. Trailers are read, limited and kept apart: `trailers`, never among the headers.

    Raises ProtocolError 400 on malformed chunks or trailers, 413 over the body limit, 431 over the trailer limits.
    """

    __slots__ = (
        "_buffer",
        "_left",
        "_limits",
        "_state",
        "_total",
        "_trailer_bytes",
        "is_complete",
        "trailers",
    )

    remaining = 1 << 63
    _SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._left = 0
        self._total = 0
        self._trailer_bytes = 0
        self._state = self._SIZE
        self.is_complete = False
        self.trailers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        content = []
        at = 0
        end = len(data)
        state = self._state
        while True:
            if state == self._DATA:
                take = min(self._left, end - at)
                content.append(data[at : at + take])
                at += take
                self._left -= take
                if self._left:
                    break
                state = self._DATA_END
            elif state == self._DATA_END:
                if end - at < 2:
                    if end - at == 1 and data[at] != 13:
                        raise _malformed("no CRLF after the chunk")
                    break
                if data[at : at + 2] != b"\r\n":
                    raise _malformed("no CRLF after the chunk")
                at += 2
                state = self._SIZE
            elif state == self._SIZE:
                at = self._take_whole(data, at, content)
                eol = data.find(b"\r\n", at, at + _SIZE_LINE + 2)
                if eol < 0:
                    self._check_partial(data, at, end)
                    break
                match = _is_size_line(data[at:eol])
                if match is None:
                    raise _malformed("malformed chunk size")
                size = int(match[1], 16)
                if size >= 1 << 63:
                    raise _malformed("chunk size out of range")
                at = eol + 2
                self._total += size
                if self._total > self._limits.body:
                    raise ProtocolError(
                        413, f"the body is longer than {self._limits.body} bytes", "RFC 9110 section 15.5.14"
                    )
                self._left = size
                state = self._DATA if size else self._TRAILER
            else:  # _TRAILER
                eol = data.find(b"\r\n", at)
                pending = (end - (data[end - 1 : end] == b"\r") if eol < 0 else eol) - at
                if pending > self._limits.field_size or self._trailer_bytes + pending > self._limits.head:
                    raise ProtocolError(431, "the trailer section is too long", "RFC 6585 section 5")
                if eol < 0:
                    _no_bare_ends(data[at:end])
                    break
                line = data[at:eol]
                at = eol + 2
                if not line:
                    self._state = self._DONE
                    self.is_complete = True
                    return b"".join(content), data[at:]
                self._trailer_bytes += len(line) + 2
                self._add_trailer(line)
        self._state = state
        self._buffer = data[at:]
        return content[0] if len(content) == 1 else b"".join(content), b""

    def _take_whole(self, data: bytes, at: int, content: list[bytes]) -> int:
        """Collect the small chunks that are here whole and well-formed: where what must be looked at closely begins."""
        room = self._limits.body - self._total
        taken = 0
        while True:
            eol = data.find(b"\r\n", at, at + 5)
            size = _SIZES.get(data[at:eol]) if eol > 0 else None
            if size is None:
                break
            first = eol + 2
            last = first + size
            if data[last : last + 2] != b"\r\n" or taken + size > room:
                break
            content.append(data[first:last])
            taken += size
            at = last + 2
        self._total += taken
        return at

    def _check_partial(self, data: bytes, at: int, end: int) -> None:
        """Refuse a size line that can no longer become one, so that junk is not waited upon."""
        if end - (data[end - 1 : end] == b"\r") - at > _SIZE_LINE:
            raise _malformed("the chunk-size line is too long")
        line = data[at:end]
        _no_bare_ends(line)
        if line and not line[:1].isalnum():
            raise _malformed("malformed chunk size")

    def _add_trailer(self, line: bytes) -> None:
        match = _is_field_line(line)
        if match is None:
            raise _malformed("malformed trailer field")
        if len(self.trailers) >= self._limits.fields:
            raise ProtocolError(431, f"more than {self._limits.fields} trailer fields", "RFC 6585 section 5")
        name, value = match[1], match[2].rstrip(b" \t")
        lower, meaning = KNOWN.get(name) or learn(name)
        if meaning in _FORBIDDEN_TRAILERS:
            raise ProtocolError(400, "a framing or routing field in the trailer section", "RFC 9110 section 6.5.1")
        self.trailers.append((lower, value))


def _no_bare_ends(partial: bytes) -> None:
    """A CR may be the last byte of what has come so far; any other lone CR or LF is an error at once."""
    if b"\n" in partial or b"\r" in partial[:-1]:
        raise _malformed("bare CR or LF in chunked body")


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(400, what, "RFC 9112 section 7.1")
