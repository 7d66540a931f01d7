"""How long an application may wait for a client in a thread that others want.

Two kinds of bodies are read by the application while they come, although bodies are spooled: those that its reading
asks for (100 Continue), and those for which the spool has no room. As long as nobody wants the thread such a client has
the time that all have. But what others are kept waiting is counted, for all such clients of a worker together: 0.4 s,
of which a tenth of each second that passes comes back. When it is used up the client is answered 408. So
however many they are and whatever they send, others lose 0.4 s and then a tenth of their time.

Readers of what the application gives to write() have an account of their own, by the same rules; when that is used up,
what is written goes into a file: see `hybrid_workers.overflow`.

Few are to come to that. Long before, clients that ask are not left to the application any more: they get their 100 at
once, and it is called when the body is whole. The same for those who ask while half of the threads wait for others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import Final

MOST_S: Final = 0.4
"""What others may be kept waiting."""
WARY_S: Final = 0.1
"""After so much of it no client is asked by the application any more."""
BACK: Final = 0.1
"""What comes back of it, in seconds for each that passes."""
LOOK_S: Final = 0.05
"""How often it is asked whether others wait."""
_LEAST_S: Final = LOOK_S
"""What is left below this is nothing: nobody is waited for in a row of moments."""


class Kind(Enum):
    """What a client is waited for."""

    ASKED = "a body that the application has asked for"
    STREAMED = "a body for which there is no room"
    READER = "taking what the application gives to write()"


class HeldUp:
    """One per worker. May be used in any thread."""

    def __init__(self, log: logging.Logger, *, asks_first: bool) -> None:
        self.asks_first = asks_first
        """A client that waits for 100 Continue gets it before the application is called, and not by its reading."""
        self.places = 1
        """How many threads may be at bodies that the application has asked for."""
        self.is_wanted: Callable[[], bool] = _always
        """Whether others wait for the threads; asked while one of them waits for a client, in that thread."""
        self._log = log
        self._lock = threading.Lock()
        self._spent = 0.0
        self._at = 0.0
        self._has_cut = False

    def ask(self) -> Hold | None:
        """For a body that the application asks for; None: it must be asked for before."""
        if self.asks_first:
            return None
        with self._lock:
            if not self.places:
                return None
            self.places -= 1
        return Hold(self, Kind.ASKED)

    def stream(self) -> Hold:
        """For a body for which there is no room."""
        return Hold(self, Kind.STREAMED)

    def read(self) -> Hold:
        """For content that the client does not take."""
        return Hold(self, Kind.READER)

    def give_back(self) -> None:
        with self._lock:
            self.places += 1

    def left(self, now: float) -> float:
        """The seconds that others may still be kept waiting."""
        return MOST_S - self._spent + min(self._spent, (now - self._at) * BACK)

    def spend(self, seconds: float, now: float, kind: Kind) -> None:
        with self._lock:
            self._spent = MOST_S - self.left(now) + seconds
            self._at = now
        if kind is Kind.ASKED and not self.asks_first and self._spent > WARY_S:
            self.asks_first = True
            self._log.warning(
                "A client that waited for 100 Continue was slow to send its body while the application waited for it;"
                " from now on this worker asks such clients first, and calls the application when the body is whole"
                " (--spool-bodies)"
            )

    def cut(self, kind: Kind) -> None:
        """One is waited for no longer, for the sake of others."""
        if kind is Kind.STREAMED and not self._has_cut:
            self._has_cut = True
            self._log.warning(
                "An upload for which there was no room (--spool-limit) came slowly and kept others waiting: it is"
                " answered 408, as further ones will be"
            )


class Hold:
    """One client's share in it."""

    __slots__ = ("_all", "_is_over", "_kind")

    def __init__(self, held_up: HeldUp, kind: Kind) -> None:
        self._all = held_up
        self._kind = kind
        self._is_over = False

    def wait(self, wait: Callable[[float], bool], patience: float) -> bool:
        """`wait(seconds)`, which says whether something has come, for as long as the client may be waited for."""
        everybody = self._all
        began = monotonic()
        until = began + patience
        while True:
            seconds = min(LOOK_S, until - began)
            if seconds <= 0:
                return False
            left = everybody.left(began)
            if left >= _LEAST_S:
                seconds = min(seconds, left)
            elif everybody.is_wanted():
                everybody.cut(self._kind)
                return False
            has_come = wait(seconds)
            now = monotonic()
            if everybody.is_wanted():
                everybody.spend(now - began, now, self._kind)
            if has_come:
                return True
            began = now

    def end(self) -> None:
        """The body is whole, or will not be. May be called again."""
        if not self._is_over:
            self._is_over = True
            if self._kind is Kind.ASKED:
                self._all.give_back()


def _always() -> bool:
    return True
