"""permessage-deflate at work: the two zlib streams of one connection. RFC 7692 section 7.2.

Each stream is made with the first message that needs it: most connections that agree on compression never
send enough to use it, and an idle one should not hold a window.
"""

from __future__ import annotations

import zlib
from typing import Final

from hybrid.websocket.failure import Failure
from hybrid.websocket.negotiation import Compression

_TAIL: Final = b"\x00\x00\xff\xff"
"""What ends every flushed block: cut off by the sender, put back by the receiver."""
_WINDOW: Final = 1 << 15


class Deflate:
    """Inflates what the client sends and deflates what we send. One per connection that agreed on it."""

    __slots__ = ("_agreed", "_deflater", "_inflater")

    def __init__(self, agreed: Compression) -> None:
        self._agreed = agreed
        self._inflater: zlib._Decompress | None = None
        self._deflater: zlib._Compress | None = None

    def inflate(self, data: bytes, limit: int, *, is_last: bool) -> bytes:
        """The content of one frame. Never makes more than `limit` + 1 bytes of it.

        Raises Failure 1009 over the limit, 1007 when this is not deflate.
        """
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = zlib.decompressobj(-self._agreed.client_window)
        if is_last:
            data += _TAIL
        try:
            content = inflater.decompress(data, limit + 1)
            if inflater.eof and len(content) <= limit:
                content += self._after_last_block(inflater.unused_data, content, limit + 1 - len(content))
        except zlib.error:
            raise Failure(1007, "invalid compressed data") from None
        if len(content) > limit:
            raise Failure(1009, "message too long after inflation")
        return content

    def _after_last_block(self, rest: bytes, window: bytes, limit: int) -> bytes:
        """What follows a block that is marked as the stream's last: allowed, but the end for zlib. Section 7.2.3.4.

        The new zlib stream is given the content as its window, since later blocks may refer to it.
        """
        inflater = zlib.decompressobj(-self._agreed.client_window, zdict=window[-_WINDOW:])
        self._inflater = inflater
        content = inflater.decompress(rest, limit) if rest else b""
        if inflater.eof:
            raise Failure(1007, "more than one final block in a message")
        return content

    def message_read(self) -> None:
        """A compressed message has ended."""
        if self._agreed.client_forgets:
            self._inflater = None

    def deflate(self, data: bytes) -> bytes:
        """The payload of one whole message."""
        deflater = self._deflater
        if deflater is None:
            deflater = zlib.compressobj(level=6, wbits=-self._agreed.server_window, memLevel=5)
            if not self._agreed.server_forgets:
                self._deflater = deflater
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
