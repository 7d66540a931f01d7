"""Log lines that any client can cause: each said once a minute for one client, and not many in all.

Else whoever connects in a loop writes the log full, and hides in it what matters.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

PERIOD_S: Final = 60.0
MOST: Final = 20
"""Lines in one period."""


class Notices:
    """`say` writes one line to the log."""

    __slots__ = ("_clock", "_said", "_say", "_since", "_unsaid")

    def __init__(self, say: Callable[[str], object], clock: Callable[[], float] = monotonic) -> None:
        self._say = say
        self._clock = clock
        self._since = clock()
        self._said: set[tuple[str, str]] = set()
        self._unsaid = 0

    def tell(self, kind: str, host: str, line: str) -> None:
        """Say it, unless this kind was said of this host, or too much was said, in the last minute."""
        now = self._clock()
        if now - self._since >= PERIOD_S:
            if self._unsaid:
                self._say(f"{self._unsaid} more lines about other clients were left out in the last {PERIOD_S:g} s")
            self._since = now
            self._said.clear()
            self._unsaid = 0
        if (kind, host) in self._said:
            return
        if len(self._said) >= MOST:
            self._unsaid += 1
            return
        self._said.add((kind, host))
        self._say(line)
