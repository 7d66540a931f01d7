"""What each pool did with the requests of each route: counters in shared memory that workers write.

Made only where there are routes or shadow traffic. One row per slot, written only by the worker in that slot, so that
counting is a store without a lock. A row has cells, one for each pool and pattern that the worker has met; a cell says
itself whose it is, so that nobody has to agree on numbers for routes that come and go. Rows are never cleared: a worker
goes on with what the last one in its slot has counted, and every number only grows until the arbiter ends.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hybrid.contract.histogram import BUCKETS, Histogram, bucket_of

CELLS: Final = 32
"""How many a row has. What comes when all are taken is counted together in the last one, as OTHERS."""
OTHERS: Final = "(other routes)"
SAMPLE_EVERY: Final = 16
"""One request in so many has its processor time measured, where the worker can tell it."""

_COUNTERS: Final = 8
_WORDS: Final = _COUNTERS + BUCKETS
_CELL_BYTES: Final = 2048
_NAME_AT: Final = _WORDS * 8 + 8
"""Behind the counters: the name, after its length."""
_MOST_PATTERN: Final = 120
"""Characters of a pattern: with the longest name of a pool and four bytes each they have room in a cell."""
_ROW_BYTES: Final = CELLS * _CELL_BYTES
_FORMAT: Final = struct.Struct(f"={_WORDS}q")
_REQUESTS, _ERRORS, _SAMPLED, _WALL_US, _CPU_US, _COPIED, _DROPPED, _UNFIT = range(_COUNTERS)


@dataclass(slots=True)
class Counts:
    """What was counted of one pool and pattern, as numbers that only grow."""

    requests: int = 0
    errors: int = 0
    """Answers of 500 and more."""
    sampled: int = 0
    """Requests whose processor time was measured, with the sums of both times in seconds."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    copied: int = 0
    """Requests of which a copy was given to the shadow worker."""
    dropped: int = 0
    """Copies that it had no room for."""
    unfit: int = 0
    """Requests that a copy was wanted of and could not be made: a long body, an answer that never ended."""
    latency: Histogram = field(default_factory=Histogram)

    def add(self, values: tuple[int, ...]) -> None:
        """Add the numbers of one cell."""
        self.requests += values[_REQUESTS]
        self.errors += values[_ERRORS]
        self.sampled += values[_SAMPLED]
        self.wall_s += values[_WALL_US] / 1e6
        self.cpu_s += values[_CPU_US] / 1e6
        self.copied += values[_COPIED]
        self.dropped += values[_DROPPED]
        self.unfit += values[_UNFIT]
        self.latency = Histogram.added((self.latency, Histogram(values[_COUNTERS:])))


class Cell:
    """The counters of one pool and pattern in one worker's row."""

    __slots__ = ("_words", "until_sample")

    def __init__(self, words: memoryview[int]) -> None:
        self._words = words
        self.until_sample = 1
        """How many requests it is until the next whose processor time is worth measuring: kept by the worker."""

    def count(self, status: int, seconds: float) -> None:
        """A request was answered."""
        words = self._words
        words[_REQUESTS] += 1
        if status >= 500:
            words[_ERRORS] += 1
        words[_COUNTERS + bucket_of(seconds)] += 1

    def refused(self) -> None:
        """A request could not be given to the pool. How long it took to find that out says nothing of the pool."""
        self._words[_REQUESTS] += 1
        self._words[_ERRORS] += 1

    def sample(self, wall_s: float, cpu_s: float) -> None:
        """Of a request whose processor time was measured."""
        words = self._words
        words[_SAMPLED] += 1
        words[_WALL_US] += int(wall_s * 1e6)
        words[_CPU_US] += int(cpu_s * 1e6)

    def copied(self) -> None:
        self._words[_COPIED] += 1

    def dropped(self) -> None:
        self._words[_DROPPED] += 1

    def unfit(self) -> None:
        self._words[_UNFIT] += 1


class TrafficRow:
    """One worker's row. Not for several threads at once."""

    __slots__ = ("_base", "_cells", "_map", "_taken")

    def __init__(self, memory: mmap.mmap, base: int) -> None:
        self._map = memory
        self._base = base
        self._taken = 0
        self._cells: dict[tuple[str, str], Cell] = {}
        for at, name, _ in _read(memory, base):
            pool, _, pattern = name.partition("\0")
            self._cells[pool, pattern] = self._cell(at)
            self._taken += 1

    def cell(self, pool: str, pattern: str) -> Cell:
        """Where requests of this route that this pool answers are counted."""
        found = self._cells.get((pool, pattern))
        return found if found is not None else self._add(pool, pattern)

    def _add(self, pool: str, pattern: str) -> Cell:
        if len(pattern) > _MOST_PATTERN:
            return self.cell(pool, pattern[:_MOST_PATTERN])
        if self._taken >= CELLS - 1 and pattern != OTHERS:
            cell = self.cell(pool, OTHERS)
        elif self._taken >= CELLS:
            cell = self._cell(self._base + (CELLS - 1) * _CELL_BYTES)  # of two pools: better than not at all
        else:
            at = self._base + self._taken * _CELL_BYTES
            name = f"{pool}\0{pattern}".encode()
            self._map[at + _NAME_AT : at + _NAME_AT + len(name)] = name
            self._map[at + _NAME_AT - 8 : at + _NAME_AT] = len(name).to_bytes(8, "little")  # last: now it is one
            self._taken += 1
            cell = self._cell(at)
        if len(self._cells) < 1024:
            self._cells[pool, pattern] = cell
        return cell

    def _cell(self, at: int) -> Cell:
        return Cell(memoryview(self._map)[at : at + _WORDS * 8].cast("q"))


class TrafficPage:
    """All rows. Made by the arbiter before it forks; children inherit the mapping."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._map = mmap.mmap(-1, (slots + 7) // 8 * 8 + slots * _ROW_BYTES)

    def row(self, slot: int) -> TrafficRow:
        """The row of a slot, for the worker in it."""
        if not 0 <= slot < self._slots:
            raise IndexError(f"slot {slot} outside a traffic page of {self._slots} rows")
        self._map[slot] = 1  # only rows in use are read: reading the others would have the kernel make their pages
        return TrafficRow(self._map, self._at(slot))

    def read(self) -> dict[tuple[str, str], Counts]:
        """What all workers have counted, by pool and pattern. A snapshot: a request may be in half of its counters."""
        found: dict[tuple[str, str], Counts] = {}
        used = self._map[: self._slots]
        slot = used.find(1)
        while slot >= 0:
            for _, name, values in _read(self._map, self._at(slot)):
                pool, _, pattern = name.partition("\0")
                found.setdefault((pool, pattern), Counts()).add(values)
            slot = used.find(1, slot + 1)
        return found

    def _at(self, slot: int) -> int:
        return (self._slots + 7) // 8 * 8 + slot * _ROW_BYTES


def _read(memory: mmap.mmap, base: int) -> Iterator[tuple[int, str, tuple[int, ...]]]:
    """Of each cell that is taken: where it is, its name, its numbers."""
    for at in range(base, base + _ROW_BYTES, _CELL_BYTES):
        length = int.from_bytes(memory[at + _NAME_AT - 8 : at + _NAME_AT], "little")
        if not length:
            return
        name = memory[at + _NAME_AT : at + _NAME_AT + length].decode("utf-8", "replace")
        yield at, name, _FORMAT.unpack_from(memory, at)
