"""Waiting for many descriptors at once: epoll, or poll() where there is none (macOS)."""

from __future__ import annotations

import select
from typing import Final, Protocol

READ: Final = 1
WRITE: Final = 4
"""The same numbers in epoll and poll."""

EXCLUSIVE: Final[int] = getattr(select, "EPOLLEXCLUSIVE", 0)
"""For a listener that several workers wait on: a new connection wakes one of them and not all."""


class Poller(Protocol):
    """Level-triggered. Hang-up and error are reported for every registered descriptor, asked for or not."""

    def register(self, fd: int, events: int, /) -> object: ...

    def modify(self, fd: int, events: int, /) -> object: ...

    def unregister(self, fd: int, /) -> object: ...

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        """(descriptor, events) of up to `most` that are ready; waits at most `timeout` seconds."""


class _Poll:
    """poll() with the manners of epoll."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        return self._poll.poll(timeout * 1000)[:most]


def open_poller() -> Poller:
    """The best there is."""
    return select.epoll() if hasattr(select, "epoll") else _Poll()
