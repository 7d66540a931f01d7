"""When to ping, and when a ping has gone unanswered for too long. Asked by a sweeper; no timers, no clock."""

from __future__ import annotations

from enum import Enum
from math import inf


class Verdict(Enum):
    NOTHING = 0
    PING = 1
    """Send a ping with `payload`."""
    DEAD = 2
    """The client has not answered the last ping in time."""


class Keepalive:
    """The pings of one connection. Seconds; an interval of 0: no pings; a timeout of 0: answers are not awaited."""

    __slots__ = ("_deadline", "_interval", "_next", "_number", "_timeout")

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._next = now + interval if interval else inf
        self._deadline = inf
        self._number = 0

    @property
    def payload(self) -> bytes:
        """What the last ping had in it: an answer has the same."""
        return self._number.to_bytes(4)

    def check(self, now: float, pong: bytes, *, is_excused: bool = False) -> Verdict:
        """What to do. `pong` is the content of the last pong that was received.

        `is_excused`: an answer cannot have come: we are not reading, or the client is in the middle of a large frame.
        The time for the answer then starts anew; pings go on, since writing is how a client that left is noticed.
        """
        if self._deadline != inf:
            if pong == self.payload:
                self._deadline = inf
            elif is_excused:
                self._deadline = now + self._timeout
            elif now >= self._deadline:
                return Verdict.DEAD
        if now < self._next:
            return Verdict.NOTHING
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._next = now + self._interval
        if self._timeout and self._deadline == inf:
            self._deadline = now + self._timeout
        return Verdict.PING

    def postpone(self, seconds: float) -> None:
        """Our own loop stood still for so long."""
        self._next += seconds
        self._deadline += seconds
