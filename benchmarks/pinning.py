"""Which core is the server's and which the load generator's.

Sharing one core would measure the scheduler, and two hardware threads of one core share its caches
and execution units, so siblings of the server's core stay unused where there is a choice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cores:
    server: frozenset[int]
    load: frozenset[int]

    @property
    def is_shared(self) -> bool:
        return self.server == self.load


def choose(available: frozenset[int], siblings: Mapping[int, frozenset[int]], server_cores: int = 1) -> Cores:
    """The highest-numbered cores for the server, since the lowest usually also serve interrupts.

    `siblings` gives the hardware threads of each core, itself included. With too few cores both
    sides share them all: `is_shared` says so.
    """
    server = frozenset(sorted(available)[-server_cores:])
    rest = available - server
    if not rest:
        return Cores(available, available)
    apart = rest - frozenset().union(*(siblings.get(core, frozenset()) for core in server))
    return Cores(server, apart or rest)


def this_machine(server_cores: int = 1) -> Cores:
    available = frozenset(os.sched_getaffinity(0))
    return choose(available, {core: _siblings(core) for core in available}, server_cores)


def _siblings(core: int) -> frozenset[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:
        return frozenset({core})  # no topology in this container: the core stands for itself
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Processes started inside inherit these cores from their first instruction; no wrapper command needed."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
