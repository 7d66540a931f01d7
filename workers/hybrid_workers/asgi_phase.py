"""What a connection of the asgi worker waits for, and how long it may."""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import Final

from hybrid.http.deadlines import LINGER_S, Deadlines

DRAIN_S: Final = 5.0
"""How long the unwanted rest of a request body is read away to keep the connection."""

LAST_CHANCE_S: Final = 1.0
"""When the worker stops, a connection idle for less than this may bring one more request: it may be on its way."""


class Phase(IntEnum):
    """In order: a connection in one of the first three is between requests."""

    FIRST_BYTE = 0
    HEAD = 1
    """For the rest of a request head."""
    IDLE = 2
    """For the next request."""
    SERVING = 3
    """For the application; the client may still owe bytes of the body."""
    DRAINING = 4
    """For the end of a request body that nobody wants any more."""
    LINGERING = 5
    """For the client's end of a connection that we have ended."""
    CLOSED = 6


def patience(deadlines: Deadlines) -> tuple[float, ...]:
    """Seconds that each phase may last, by phase. Bodies and writing have rules of their own."""
    return (deadlines.first_byte, deadlines.head, deadlines.keepalive or inf, inf, DRAIN_S, LINGER_S, inf)


def last_patience(deadlines: Deadlines) -> tuple[float, ...]:
    """The same while the worker stops."""
    limits = patience(deadlines)
    return tuple(
        limit if phase in (Phase.HEAD, Phase.SERVING) else min(limit, LAST_CHANCE_S)
        for phase, limit in enumerate(limits)
    )
