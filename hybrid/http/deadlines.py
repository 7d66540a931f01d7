"""How long a client may take for each thing: pure rules, the same for every worker.

A worker keeps one moment per connection and compares it some times a second; what the moment is comes
from here. No rule can be stretched by a byte now and then: a head has one deadline from its first byte
on, and bodies and responses have a pace to keep, in which what went fast before counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from hybrid.settings import Settings

LINGER_S: Final = 5.0
"""How long the rest of a refused request is read and thrown away, so that the client gets to read why."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds; inf for none."""

    first_byte: float = 30.0
    """From accept to the first byte."""
    head: float = 15.0
    """From the first byte of a head to its end."""
    body: float = 30.0
    """Longest silence inside a body; also the time over which `body_min_rate` is an average."""
    body_min_rate: float = 240.0
    """Bytes per second; 0 for any."""
    write: float = 30.0
    """Longest time in which the client takes nothing of what is to be written; also that of `write_min_rate`."""
    write_min_rate: float = 240.0
    """Bytes per second; 0 for any."""
    keepalive: float = 5.0
    """Longest wait for the next request; 0: none is waited for."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Deadlines:
        return cls(
            first_byte=settings.first_byte_timeout or inf,
            head=settings.header_timeout or inf,
            body=settings.body_timeout or inf,
            body_min_rate=settings.body_min_rate,
            write=settings.write_timeout or inf,
            write_min_rate=settings.write_min_rate,
            keepalive=settings.keepalive,
        )

    def body_pace(self) -> Pace:
        return Pace(self.body, self.body_min_rate)

    def write_pace(self) -> Pace:
        return Pace(self.write, self.write_min_rate)


class Pace:
    """Whether a client keeps up, in one direction: so many bytes in each period for which it is waited for.

    Only time spent waiting counts, so that an application that is slow is not held against the client. Each time that
    the bytes of a period have moved a new period begins, so nothing can be saved up.
    """

    __slots__ = ("_least", "_moved", "_period", "_waited")

    def __init__(self, period: float, min_rate: float) -> None:
        """`period` is also the longest silence; with a `min_rate` of 0 the only rule. inf for no rule at all."""
        self._period = period
        self._least = max(1, int(period * min_rate)) if min_rate and period < inf else 1
        self._moved = 0
        self._waited = 0.0

    def restart(self) -> None:
        """For another body, whose counts begin at 0."""
        self._moved = 0
        self._waited = 0.0

    def patience(self, moved: int, waited: float) -> float:
        """How long to wait for the next bytes, when in all `moved` have come in `waited` seconds of waiting.

        Zero or less: it was too slow already.
        """
        if moved - self._moved >= self._least:
            self._moved = moved
            self._waited = waited
        return self._period - (waited - self._waited)
