"""What all workers of all pools read at each request: the version of the routes, and which pools can serve.

One anonymous mapping, made by the arbiter before the first fork that needs it; only the arbiter writes. The routes are
a text in one of two places: a new version is written into the place that is not in use, and one aligned 8-byte store
of the version puts it in force, for all workers at once. A worker compares that word at each request; as long as
it has not changed, nothing else is read.

A worker that reads a text while two further versions are published could see a mixture; it looks at the version again
when it has the text, and reads anew if that has moved on.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

MOST_POOLS = 64
MOST_TEXT = 512 * 1024

_HEAD_BYTES = 4096
_VERSION = 0
_LENGTHS = 1
"""Of the texts in the two places: words 1 and 2."""
_STOPPING = 3
_POOLS = 8
_WORDS_PER_POOL = 4
_READY = 0
_WEBSOCKET = 1
_IS_KNOWN = 2
"""Some worker of the pool has been ready."""


class Published(NamedTuple):
    """Routes as they were published. Version 0, with no text: none were yet."""

    version: int
    text: bytes


class PoolPage:
    """The mapping. Pools are known by their index, which a name keeps for as long as the arbiter lives."""

    __slots__ = ("_map", "words")

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, _HEAD_BYTES + 2 * MOST_TEXT)
        self.words: memoryview[int] = memoryview(self._map)[:_HEAD_BYTES].cast("q")
        """`words[0]` is the version of the routes: compare it with that of the table at hand."""

    # the arbiter's side -----------------------------------------------------------------------------------

    def publish(self, text: bytes) -> int:
        """Put these routes in force; their version. Raises ValueError for a text that is too long."""
        if len(text) > MOST_TEXT:
            raise ValueError(f"{len(text)} bytes of routes, expected {MOST_TEXT} at most")
        version = self.words[_VERSION] + 1
        place = version % 2
        start = _HEAD_BYTES + place * MOST_TEXT
        self._map[start : start + len(text)] = text
        self.words[_LENGTHS + place] = len(text)
        self.words[_VERSION] = version
        return version

    def stop(self) -> None:
        """The arbiter stops: no worker is ready from now on, and those that drain still take what is for them."""
        self.words[_STOPPING] = 1

    def note(self, index: int, *, ready: int, serves_websocket: bool) -> None:
        """How many workers of a pool are ready now, and whether they speak WebSocket."""
        at = _POOLS + index * _WORDS_PER_POOL
        self.words[at + _READY] = ready
        if ready:
            self.words[at + _IS_KNOWN] = 1
        self.words[at + _WEBSOCKET] = serves_websocket

    # the worker's side ------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        return self.words[_VERSION]

    def read(self) -> Published:
        """The routes in force."""
        while True:
            version = self.words[_VERSION]
            place = version % 2
            start = _HEAD_BYTES + place * MOST_TEXT
            text = self._map[start : start + self.words[_LENGTHS + place]]
            if self.words[_VERSION] == version:
                return Published(version, text)

    @property
    def is_stopping(self) -> bool:
        return bool(self.words[_STOPPING])

    def ready(self, index: int) -> int:
        """How many workers of this pool are ready."""
        return self.words[_POOLS + index * _WORDS_PER_POOL + _READY]

    def is_starting(self, index: int) -> bool:
        """No worker of this pool has been ready yet, ever."""
        return not self.words[_POOLS + index * _WORDS_PER_POOL + _IS_KNOWN]

    def serves_websocket(self, index: int) -> bool:
        """Do they speak WebSocket? Known once one of them has been ready."""
        return bool(self.words[_POOLS + index * _WORDS_PER_POOL + _WEBSOCKET])
