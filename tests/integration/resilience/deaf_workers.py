"""Workers that the kernel never tells of what all workers wait for: new connections, and those that siblings leave.

It tells one of them. If that one dies before it has looked, the others are as deaf as these.
"""

from __future__ import annotations

import select
from typing import Any

import hybrid_workers.reactor
from hybrid_workers.gthread import GThreadWorker
from hybrid_workers.poller import EXCLUSIVE
from hybrid_workers.sync import SyncWorker


class Deaf:
    """A poller that never reports what others wait for as well."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._unheard: set[int] = set()
        self.modify = self._epoll.modify

    def register(self, fd: int, events: int, /) -> None:
        if events & EXCLUSIVE:
            self._unheard.add(fd)
        else:
            self._epoll.register(fd, events)

    def unregister(self, fd: int, /) -> None:
        if fd in self._unheard:
            self._unheard.remove(fd)
        else:
            self._epoll.unregister(fd)

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout, most)


def _deaf(worker_class: type[Any]) -> type[Any]:
    def make(self: Any, context: Any) -> None:
        hybrid_workers.reactor.open_poller = Deaf
        worker_class.__init__(self, context)

    return type(f"Deaf{worker_class.__name__}", (worker_class,), {"__init__": make})


Sync = _deaf(SyncWorker)
GThread = _deaf(GThreadWorker)
