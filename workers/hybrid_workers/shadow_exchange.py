"""One copy of a request: what is sent of it, what comes back, and how that compares. Sans-IO."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from hybrid.contract.queue import MARK
from hybrid.contract.shadow import MOST_BODY, Copy
from hybrid.http1.reply import ReplyError, ReplyReader
from hybrid.routing.compare import Answer, Comparison, compare
from hybrid.routing.table import COOKIE

ALWAYS_IGNORED: Final = frozenset({b"cookie:" + COOKIE})
"""It says which pool answered, which is what the two have not in common."""

_NOT_COPIED: Final = frozenset({b"content-length", b"transfer-encoding", b"expect", MARK})
_BODILESS: Final = frozenset({"GET", "HEAD"})
_UNAVAILABLE: Final = b"no worker of pool "


def request_of(copy: Copy) -> bytes:
    """The bytes of the copied request: the head as it came, marked, and the body with its length."""
    line, *fields = copy.head.lstrip(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in _NOT_COPIED]
    if copy.body or copy.method not in _BODILESS:
        kept.append(b"Content-Length: %d" % len(copy.body))
    return b"\r\n".join([line, *kept, b"X-Hybrid-Shadow: 1", b"", copy.body])


def shown(copy: Copy) -> str:
    """The request line, for a reader."""
    line = copy.head.lstrip(b"\r\n").partition(b"\r\n")[0].decode("latin-1")
    return "".join(char if char.isprintable() else "?" for char in line.rpartition(" HTTP/")[0])


class Exchange:
    """The answer to a copy, as it comes."""

    __slots__ = ("_ignored", "_patterns", "_reader", "copy", "sent_at")

    def __init__(
        self, copy: Copy, ignored: Collection[bytes], now: float, patterns: Sequence[re.Pattern[bytes]] = ()
    ) -> None:
        """See `compare()`."""
        self.copy = copy
        self.sent_at = now
        self._ignored = ignored
        self._patterns = patterns
        self._reader = ReplyReader(copy.method, MOST_BODY)

    def feed(self, data: bytes) -> bool:
        """Is the answer complete with these bytes? b"" is the end of the connection. Raises ReplyError."""
        if data:
            self._reader.feed(data)
        else:
            self._reader.end()
        return self._reader.is_complete

    def comparison(self) -> Comparison:
        """Of the complete answer to the real one. Raises ReplyError if there is nothing to compare."""
        reader = self._reader
        if reader.status == 503 and _UNAVAILABLE in reader.body[:200]:
            raise ReplyError("503: no worker of the pool was free in time")
        shadow = Answer(reader.status, reader.headers, reader.body, reader.is_whole, reader.length, reader.digest())
        return compare(_real(self.copy), shadow, ALWAYS_IGNORED.union(self._ignored), self._patterns)


def _real(copy: Copy) -> Answer:
    """The real answer. Raises ReplyError."""
    reader = ReplyReader(copy.method, MOST_BODY)
    if copy.is_cut:
        head, end, body = copy.reply.partition(b"\r\n\r\n")
        reader.feed(head + end)
        return Answer(reader.status, reader.headers, body, False, copy.length, copy.digest)
    reader.feed(copy.reply)
    if not reader.is_complete:
        reader.end()
    return Answer(reader.status, reader.headers, reader.body, reader.is_whole, reader.length, reader.digest())
