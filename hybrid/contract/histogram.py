"""Latencies counted in fixed buckets, so that many writers and one reader can share them as plain numbers.

Eight buckets for each doubling, from 0.1 ms to 2 minutes: a percentile is too high by at most an eighth of itself.
A bucket is found without a logarithm, from the bits of the latency; recording is one addition, so that each worker can
have its own row in shared memory and the reader adds the rows up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_BITS = 3
_PER_DOUBLING = 1 << _BITS
_LEAST_US = 64
_DOUBLINGS = 21

BUCKETS = _DOUBLINGS * _PER_DOUBLING + 2
"""How many there are: the first is for what is faster than 64 us, the last for what is slower than 134 s."""


def bucket_of(seconds: float) -> int:
    """The index of the bucket for this latency."""
    units = int(seconds * 1_000_000 / _LEAST_US * _PER_DOUBLING)
    if units < _PER_DOUBLING:
        return 0
    shift = units.bit_length() - _BITS - 1
    index = (shift << _BITS) + (units >> shift) - _PER_DOUBLING + 1
    return index if index < BUCKETS - 1 else BUCKETS - 1


def upper_bound(index: int) -> float:
    """The latency in seconds that everything in this bucket is below; infinite for the last."""
    if index >= BUCKETS - 1:
        return float("inf")
    doubling, part = divmod(index, _PER_DOUBLING)
    return _LEAST_US / 1_000_000 * (1 << doubling) * (_PER_DOUBLING + part) / _PER_DOUBLING


class Histogram:
    """Counts per bucket. `counts` may be any row of numbers, also one in shared memory."""

    __slots__ = ("counts",)

    def __init__(self, counts: Sequence[int] | None = None) -> None:
        self.counts = [0] * BUCKETS if counts is None else counts

    def record(self, seconds: float) -> None:
        self.counts[bucket_of(seconds)] += 1  # type: ignore[index]  # a row that is recorded to can be written

    @property
    def total(self) -> int:
        return sum(self.counts)

    def percentile(self, percent: float) -> float:
        """The latency that `percent` of all were at most, in seconds, rounded up to a bucket; 0 where there is none."""
        total = self.total
        if not total:
            return 0.0
        wanted = total * percent / 100
        reached = 0
        for index, count in enumerate(self.counts):
            reached += count
            if reached >= wanted and count:
                return upper_bound(min(index, BUCKETS - 2))
        return upper_bound(BUCKETS - 2)

    def above(self, seconds: float) -> int:
        """How many took longer: those in buckets that begin above it."""
        return sum(self.counts[bucket_of(seconds) + 1 :])

    def since(self, earlier: Histogram) -> Histogram:
        """What was counted after `earlier` was taken. A row that was reset in between counts from zero."""
        grown = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        return Histogram(grown if min(grown) >= 0 else list(self.counts))

    @classmethod
    def added(cls, histograms: Iterable[Histogram]) -> Histogram:
        """One of all: such as the pool's of its workers'."""
        return cls([sum(column) for column in zip([0] * BUCKETS, *(one.counts for one in histograms), strict=True)])
