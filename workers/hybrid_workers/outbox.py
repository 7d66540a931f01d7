"""When finished answers of the sync worker may wait for each other, to be sent together.

A send to a client that sleeps pays for waking it, and a client on the same machine (a proxy, a load
generator) then runs, reads and sleeps again before the next answer is made. Sent one after the other, the
answers find it awake.

But what is held back waits for the application calls behind it. So something is held only where calls have
been fast of late, never while a call waits for its client, and no longer than `PATIENCE_S` and one call. If
the process dies in that call, the answers held back die with it, as those in its hands always do.

An answer may be held when it is whole. Most frameworks return an iterable with a close(), which is called before the
answer is sent then: where that is the work of an application after its answer, its calls are not fast.
"""

from __future__ import annotations

from typing import Final

FAST_S: Final = 0.0003
"""A request that takes longer is too dear to wait for."""
RECENT: Final = 32
"""So many requests in a row must have been fast."""
PATIENCE_S: Final = 0.001
"""When another call begins, the oldest answer may have been held for so long."""


class Haste:
    """Whether answers may be held back now. Reads no clock: `now` is passed in."""

    __slots__ = ("_opened", "_slow", "began", "holds_until")

    def __init__(self) -> None:
        self.began = 0.0
        """When the request under way was begun; 0 between two batches of events."""
        self.holds_until = 0.0
        """Until then `begins()` says yes if the request before was a fast one, and notes nothing but `began`: the
        worker may do that itself. In the past where there is more to it."""
        self._opened = 0.0
        self._slow = RECENT
        """How many fast requests must still be seen."""

    def begins(self, now: float) -> bool:
        """A request begins, and so the one before it in this batch has ended: may answers be held back?"""
        if not self.began:
            self._opened = now
        elif now - self.began >= FAST_S:
            self._slow = RECENT
        elif self._slow:
            self._slow -= 1
        self.began = now
        self.holds_until = 0.0 if self._slow else self._opened + PATIENCE_S
        return now <= self.holds_until

    def sent(self, now: float) -> None:
        """Everything held back was sent; the request under way goes on."""
        self._opened = now
        self.holds_until = 0.0

    def ends(self, now: float) -> None:
        """The batch is over, and so is its last request."""
        if self.began:
            self.begins(now)
            self.began = 0.0
            self.holds_until = 0.0
