"""How an asyncio transport and who sits on it hold each other back: reading, writing, and the end of both."""

from __future__ import annotations

import asyncio

from hybrid.asgi import Waiters, wait_among, wake
from hybrid.http.deadlines import Deadlines
from hybrid_workers.reader import Reader


class Flow:
    """One per connection."""

    __slots__ = ("_drainers", "_is_lingering", "_reader", "_transport", "is_reading", "is_writable")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_reading = True
        self.is_writable = True
        """False while the transport holds more than its high-water mark."""
        self._is_lingering = False
        self._drainers: Waiters = []
        self._reader: Reader | None = None
        """How fast the client takes what is written, while it does not take all at once."""

    def pause_reading(self) -> None:
        if self.is_reading:
            self.is_reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_reading and not self._transport.is_closing():
            self.is_reading = True
            self._transport.resume_reading()

    async def drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the client has read, or is lost."""
        while not self.is_writable:
            await wait_among(self._drainers, loop)

    def wake_drainers(self) -> None:
        """They look again whether it is writable."""
        wake(self._drainers)

    def linger(self) -> None:
        """Send our FIN after what was said, and read on until the client's: closing at once could reset it away."""
        if self._is_lingering:
            return
        self._is_lingering = True
        transport = self._transport
        if transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            self.resume_reading()
        else:
            transport.close()

    def is_stalled(self, now: float, waiting: int, written: int, deadlines: Deadlines) -> bool:
        """The client takes what is written too slowly: `waiting` bytes of `written` are still in the transport."""
        if not waiting:
            self._reader = None
            return False
        reader = self._reader
        if reader is None:
            reader = self._reader = Reader(deadlines, self._transport.get_extra_info("socket").fileno())
            reader.wait(now, written - waiting)
        return now >= reader.deadline and reader.is_slow(now, written - waiting)

    def postpone(self, seconds: float) -> None:
        """The loop stood still for so long: clients are not to blame for it."""
        if self._reader is not None:
            self._reader.postpone(seconds)
