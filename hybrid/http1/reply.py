"""The other side of a response: bytes in, status, fields and content out. Sans-IO.

For responses that this server has made and looks at itself, in shadow traffic: what is malformed is just an error.
RFC 9112 section 6.3 decides where a response ends. Of the content only the beginning is kept, beside its length
and digest.
"""

from __future__ import annotations

import hashlib
from typing import Final

_MOST_HEAD: Final = 256 * 1024
_MOST_LINE: Final = 64


class ReplyError(Exception):
    """What came is no response, or not a whole one."""


class ReplyReader:
    """The final response to one request; interim ones before it are skipped."""

    def __init__(self, method: str, most_body: int) -> None:
        """`method` is the request's: a response to HEAD has no content. `most_body`: how many bytes of it are kept."""
        self._method = method
        self._most = most_body
        self._buffer = b""
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._digest = hashlib.sha256()
        self._left = 0
        """Bytes to come of the content, or of this chunk; -1: until the connection ends."""
        self._is_chunked = False
        self._is_in_trailers = False
        self.status = 0
        """0 until the head is there."""
        self.headers: list[tuple[bytes, bytes]] = []
        """Lower-case names."""
        self.length = 0
        """Of the content so far, without framing."""
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Take in bytes. Raises ReplyError."""
        if self.is_complete:
            return
        self._buffer += data
        while not self.status:
            if not self._read_head():
                return
        if self._is_chunked:
            self._read_chunks()
        elif not self.is_complete:
            data, self._buffer = self._buffer, b""
            self._take(data if self._left < 0 else data[: self._left])
            if self._left >= 0:
                self._left -= len(data)
                self.is_complete = self._left <= 0

    def end(self) -> None:
        """The connection has ended. Raises ReplyError where that leaves a part missing."""
        if self.is_complete:
            return
        if not self.status or self._is_chunked or self._left >= 0:
            raise ReplyError("the connection ended before the response did" if self.status else "no response")
        self.is_complete = True

    @property
    def body(self) -> bytes:
        """The content, as much as is kept."""
        return b"".join(self._kept)

    @property
    def is_whole(self) -> bool:
        """All of the content is kept."""
        return self._kept_size == self.length

    def digest(self) -> bytes:
        """SHA-256 of all of the content."""
        return self._digest.digest()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise ReplyError(f"a head of more than {_MOST_HEAD} bytes")
            return False
        lines = self._buffer[:end].split(b"\r\n")
        self._buffer = self._buffer[end + 4 :]
        version, _, rest = lines[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise ReplyError(f"no status line: {lines[0][:60]!r}")
        status = int(rest[:3])
        if status < 200:
            return bool(self._buffer)
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon:
                raise ReplyError(f"no header field: {line[:60]!r}")
            headers.append((name.lower(), value.strip()))
        self.status, self.headers = status, headers
        self._frame()
        return True

    def _frame(self) -> None:
        fields = dict(self.headers)
        if self._method == "HEAD" or self.status in (204, 304):
            self.is_complete = True
        elif fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._is_chunked = True
        elif b"content-length" in fields:
            if not fields[b"content-length"].isdigit():
                raise ReplyError(f"Content-Length: {fields[b'content-length'][:40]!r}")
            self._left = int(fields[b"content-length"])
            self.is_complete = not self._left
        else:
            self._left = -1

    def _read_chunks(self) -> None:
        while self._buffer and not self.is_complete:
            if self._left:
                data, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
                self._take(data[: max(0, self._left - 2)])  # the last two bytes of a chunk are its line end
                self._left -= len(data)
                continue
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end:
                if len(line) > (_MOST_HEAD if self._is_in_trailers else _MOST_LINE):
                    raise ReplyError("a chunk without size")
                return
            self._buffer = rest
            if self._is_in_trailers:
                self.is_complete = not line
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                raise ReplyError(f"the size of a chunk: {line[:40]!r}") from None
            if size:
                self._left = size + 2
            else:
                self._is_in_trailers = True

    def _take(self, data: bytes) -> None:
        if not data:
            return
        self.length += len(data)
        self._digest.update(data)
        room = self._most - self._kept_size
        if room > 0:
            part = data[:room]
            self._kept.append(part)
            self._kept_size += len(part)
