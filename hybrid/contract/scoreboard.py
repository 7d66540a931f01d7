"""The shared-memory table that workers write and the arbiter reads.

One anonymous mapping, made before the first fork; one row per slot, written only by the child in that
slot. Every counter is one aligned 8-byte word and every write to it one store, so that a reader sees
the old value or the new one; no lock and no syscall, hence readable while every worker is saturated,
blocked or stopped. Pages that no row uses are never touched and cost nothing.

A row also holds the requests in flight, one cell each: what a worker was doing when it died.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

ROW_BYTES = 64 * 1024
CELL_BYTES = 320
_CELLS_AT = 4096
CELLS = (ROW_BYTES - _CELLS_AT) // CELL_BYTES

_CELL = struct.Struct("=dH30s14s64s200s")  # started (monotonic), length of target, client, method, id, target
_pack = _CELL.pack_into
_METHODS = {name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}


class Word(IntEnum):
    """The 8-byte words at the head of a row, by index. Times are float seconds of the monotonic clock."""

    PID = 0
    GENERATION = 1
    STAGE = 2
    BEAT = 3
    """Float: when the worker last proved that it is alive."""
    REQUESTS = 4
    """Requests answered since boot."""
    ACTIVE = 5
    """Requests in the application now."""
    CONNECTIONS = 6
    """Open client connections now."""
    ACCEPTED = 7
    ERRORS = 8
    """Responses with a 5xx status."""
    STARTED = 9
    """Float: when the row was taken."""
    CAPACITY = 10
    """How many requests it can take at once; 0 = unknown."""
    LOOP_LAG = 11
    """Float: the event loop's last measured lateness in seconds (asgi)."""
    RETIRED = 12
    """1 = others serve on when this worker stops. The one word of a row that the arbiter writes."""
    LOOP_LAG_PEAK = 13
    """Float: the largest lateness of this second and the last."""
    SHED = 14
    """Requests answered 503 because there were too many, since boot."""


class InFlight(NamedTuple):
    """One request that a worker had begun and not ended."""

    started: float
    method: str
    target: str
    client: str
    request_id: str = ""
    """The X-Request-ID that came with it; else one of our own: pid and time."""


class ScoreRow:
    """One slot's row. The worker in the slot writes; anybody who shares the mapping may read."""

    __slots__ = ("_base", "_free", "_map", "_starts", "floats", "words")

    def __init__(self, memory: mmap.mmap, slot: int) -> None:
        self._map = memory
        self._base = slot * ROW_BYTES
        head = memoryview(memory)[self._base : self._base + _CELLS_AT]
        self.words: memoryview[int] = head.cast("q")
        self.floats: memoryview[float] = head.cast("d")
        self._starts: memoryview[float] = memoryview(memory).cast("d")
        """The whole mapping: a cell begins with the time of its request's start."""
        self._free: list[int] = []

    def take(self, pid: int, generation: int, now: float) -> None:
        """Make the row this child's: clears what the last child left. Called in the child, before boot."""
        if self.words[Word.PID]:  # else nobody had it, and it is no memory yet
            self._map[self._base : self._base + ROW_BYTES] = bytes(ROW_BYTES)
        self._free = [self._base + _CELLS_AT + index * CELL_BYTES for index in reversed(range(CELLS))]
        self.words[Word.PID] = pid
        self.words[Word.GENERATION] = generation
        self.floats[Word.STARTED] = now
        self.floats[Word.BEAT] = now

    def beat(self, now: float) -> None:
        """Stamp the proof of life."""
        self.floats[3] = now

    def neighbour(self, slot: int) -> ScoreRow:
        """Another slot's row, to read."""
        return ScoreRow(self._map, slot)

    def others(self, rows: int) -> Iterator[memoryview[int]]:
        """The words of the other rows among the first so many. Whose they are, if anybody's, is for the reader."""
        for base in range(0, min(rows * ROW_BYTES, len(self._map)), ROW_BYTES):
            if base != self._base:
                yield memoryview(self._map)[base : base + _CELLS_AT].cast("q")

    def begin(self, now: float, method: str, target: bytes, client: str | bytes, request_id: bytes = b"") -> int:
        """Note a request in flight. Returns the cell for `end()`; -1 when all cells are taken.

        Target, id, client and method are cut to 200, 64, 30 and 14 bytes. `request_id` is the client's; without one the
        reader makes one. Not thread-safe without the GIL.
        """
        free = self._free
        if not free:
            return -1
        cell = free.pop()
        if isinstance(client, str):
            client = client.encode("latin-1", "replace")
        _pack(
            self._map,
            cell,
            now,
            len(target),
            client,
            _METHODS.get(method) or method.encode("latin-1", "replace"),
            request_id,
            target,
        )
        return cell

    def end(self, cell: int) -> None:
        """The request of this cell is over."""
        if cell >= 0:
            self._starts[cell >> 3] = 0.0
            self._free.append(cell)

    def in_flight(self) -> list[InFlight]:
        """The requests under way, oldest first. For a live row a snapshot that may miss one or show one too many."""
        found = []
        for index in range(CELLS):
            started, length, client, method, request_id, target = _CELL.unpack_from(
                self._map, self._base + _CELLS_AT + index * CELL_BYTES
            )
            if started:
                found.append(
                    InFlight(
                        started=started,
                        method=method.rstrip(b"\0").decode("latin-1"),
                        target=target[:length].decode("latin-1"),
                        client=client.rstrip(b"\0").decode("latin-1"),
                        request_id=request_id.rstrip(b"\0").decode("latin-1")
                        or f"{self.words[Word.PID]}-{int(started * 1e6):x}",
                    )
                )
        return sorted(found, key=lambda request: request.started)


class Scoreboard:
    """The whole table. Made by the arbiter before it forks; children inherit the mapping."""

    def __init__(self, rows: int = 1024) -> None:
        self.rows = rows
        self._map = mmap.mmap(-1, rows * ROW_BYTES)

    def row(self, slot: int) -> ScoreRow:
        """The row of a slot. Raises IndexError outside 0 <= slot < rows."""
        if not 0 <= slot < self.rows:
            raise IndexError(f"slot {slot} outside a scoreboard of {self.rows} rows")
        return ScoreRow(self._map, slot)
