"""The lower half of an asgi connection: what is written to its transport, who waits for whom, and how it ends.

It knows nothing of requests, only whether a response can be told from a broken one.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from hybrid.asgi import RequestCycle, Waiters, wait_among, wake
from hybrid.http1.response import LARGE, Response
from hybrid_workers.asgi_phase import Phase
from hybrid_workers.asgi_service import Service
from hybrid_workers.asgi_turn import InTurn
from hybrid_workers.reader import Reader
from hybrid_workers.reset import reset_at_close

HIGH_WATER: Final = 64 * 1024
"""Bytes that may wait in either direction before the other side is made to wait."""
HASTE_S: Final = 0.0001
"""A piece of a stream waits for the next if the one before it is no older than this."""


class Wire(InTurn):
    """See the module.

    A protocol by its methods and not by inheritance, since a compiled class can have no base that is not.
    """

    __slots__ = (
        "_drainers",
        "_is_reading",
        "_pieces_at",
        "_pieces_size",
        "_reader",
        "_response",
        "file_left",
        "is_writable",
        "loop",
        "phase",
        "service",
        "since",
    )

    def __init__(self, service: Service) -> None:
        self.service = service
        self.loop = service.loop
        self.phase = Phase.FIRST_BYTE
        self.since = monotonic()
        """When this phase began."""
        self.is_writable = True
        self.unsent = b""
        self.pieces = None
        self._pieces_size = 0
        self._pieces_at = 0.0
        """When the first of them came; if there are none, when the last piece was written."""
        self.file_left = 0
        """Bytes of a file that are to be sent past the transport: see asgi_sendfile."""
        self._is_reading = True
        self._drainers: Waiters | None = None
        self._reader: Reader | None = None
        """How fast the client takes what is written, while it does not take all at once."""
        self._response: Response | None = None
        """That which it is taking."""

    # -- writing ----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.unsent or self.pieces:
            self.flush()
        self.transport.write(data)

    def write_piece(self, buffers: tuple[bytes, bytes, bytes]) -> None:
        """Send a piece of a stream, now or with those that follow at once: see asgi_outbox."""
        now = monotonic()
        if now - self._pieces_at < HASTE_S and self._holds(buffers, now):
            return
        self._pieces_at = now
        if len(buffers[1]) < LARGE:
            self.write(b"".join(buffers))
        else:
            self.writelines(buffers)

    def _holds(self, buffers: tuple[bytes, bytes, bytes], now: float) -> bool:
        """Hold a piece that comes hard on the heels of another, unless the client is behind."""
        size = sum(map(len, buffers))
        if self.pieces:
            total = self._pieces_size + size
            if total <= HIGH_WATER:
                self.pieces += buffers
                self._pieces_size = total
                return True
            self.flush()
        if size > HIGH_WATER or self.transport.get_write_buffer_size():
            return False
        if self.unsent:
            self.flush()
        self.pieces = [*buffers]
        self._pieces_size = size
        self._pieces_at = now
        self.service.outbox.add(self, now)
        return True

    def writelines(self, buffers: tuple[bytes, bytes, bytes]) -> None:
        if self.unsent or self.pieces:
            self.flush()
        if self.service.joins_buffers:
            self.transport.write(b"".join(buffers))
        else:
            self.transport.writelines(buffers)

    async def drain(self) -> None:
        while not self.is_writable:
            if self._drainers is None:
                self._drainers = []
            await wait_among(self._drainers, self.loop)

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        self._wake_drainers()

    def _wake_drainers(self) -> None:
        if self._drainers:
            wake(self._drainers)

    def _is_read_slowly(self, now: float, waiting: int, cycle: RequestCycle | None) -> bool:
        """Of what is written, `waiting` bytes are with the transport still: then the client must not be slow."""
        if not waiting:
            self._reader = None
            return False
        if cycle is not None and cycle.response is not self._response:
            self._response = cycle.response
            self._reader = None
        written = self._response.bytes_sent if self._response is not None else 0
        reader = self._reader
        if reader is None:
            sock = self.transport.get_extra_info("socket")
            reader = self._reader = Reader(self.service.deadlines, sock.fileno())
            reader.wait(now, written - waiting)
        return now >= reader.deadline and reader.is_slow(now, written - waiting)

    # -- reading ----------------------------------------------------------------------------------

    def _pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading and not self.transport.is_closing():
            self._is_reading = True
            self.transport.resume_reading()

    def _pause_again(self) -> None:
        """uvloop begins to read after connection_made(), whatever was said in it."""
        if not self._is_reading and not self.transport.is_closing():
            self.transport.pause_reading()

    # -- the end ----------------------------------------------------------------------------------

    def abort(self) -> None:
        """Drop the connection with all that waits to be sent."""
        self.transport.abort()

    def _linger(self) -> None:
        """Send our FIN, and read on until the client's or until the sweeper has had enough."""
        if self.phase >= Phase.LINGERING:
            return
        self.flush()
        self.phase = Phase.LINGERING
        self.since = monotonic()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
            self._resume_reading()
        else:
            self.transport.close()

    def _close(self) -> None:
        self.flush()
        self.phase = Phase.LINGERING
        self.since = monotonic()
        self.transport.close()

    def _break(self, response: Response) -> None:
        """End an incomplete response so that it cannot be taken for a complete one.

        Missing chunks or octets are seen by the client; where only the end of the connection ends the content,
        it must be a reset.
        """
        if response.head_sent and not response.is_self_delimiting:
            self.flush()
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                reset_at_close(sock)
            self.transport.abort()
            return
        self._close()
