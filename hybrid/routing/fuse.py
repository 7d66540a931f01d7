"""The fuse: takes the weight from a pool that is worse than the one it replaces.

    --fuse 'error-rate>2%,p95>1.5x,loop-lag>0.5s'

A limit is an amount (`2%`, `0.5s`) or a comparison with the other pool (`1.5x`). The counters of both pools are
sampled as they are, ever growing; what happened in the window is the difference of two samples, so that a reader who
comes late or misses some loses nothing.

Nothing trips on a handful of requests: with few of them a single failure is a high rate, and a single slow one the p95.
So a limit must be passed by more than chance would make of it at that number of requests, once in ten thousand
windows; a comparison needs enough requests on both sides, and takes the chance on the other side into account too.
Errors that the replaced pool has in the same measure are no reason to go back to it.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hybrid.contract.histogram import Histogram
from hybrid.errors import SettingsError

Unit: TypeAlias = Literal["%", "s", "x"]

LEAST_REQUESTS = 20
"""Fewer requests in the window decide nothing."""

_CHANCE = 1e-4
_DEVIATIONS = 3.0

_METRICS: dict[str, tuple[Unit, ...]] = {
    "error-rate": ("%", "x"),
    "p50": ("s", "x"),
    "p95": ("s", "x"),
    "p99": ("s", "x"),
    "loop-lag": ("s",),
}
_LIMIT = re.compile(r"([a-z0-9-]+)\s*>\s*(\d+(?:\.\d+)?)\s*(%|ms|s|x)")


@dataclass(frozen=True, slots=True)
class Limit:
    """One condition: `amount` is a part of 1, seconds, or times the other pool's."""

    metric: str
    amount: float
    unit: Unit

    def __str__(self) -> str:
        shown = self.amount * 100 if self.unit == "%" else self.amount
        return f"{self.metric}>{shown:g}{self.unit}"


def parse_fuse(text: str, where: str = "--fuse") -> tuple[Limit, ...]:
    """From `METRIC>AMOUNT[,METRIC>AMOUNT...]`. Raises SettingsError."""
    limits: list[Limit] = []
    for item in text.split(","):
        match = _LIMIT.fullmatch(item.strip().lower())
        if match is None:
            raise SettingsError(
                f"{where}: found {item.strip()!r}, expected METRIC>AMOUNT,"
                " such as error-rate>2%, p95>1.5x or loop-lag>0.5s"
            )
        metric, amount, unit = match[1], float(match[2]), match[3]
        if unit == "ms":
            amount, unit = amount / 1000, "s"
        units = _METRICS.get(metric)
        if units is None:
            raise SettingsError(f"{where}: there is no metric {metric!r}; there are {', '.join(_METRICS)}")
        if unit not in units:
            raise SettingsError(f"{where}: {metric} is in {' or '.join(units)}, found {item.strip()!r}")
        if any(limit.metric == metric and limit.unit == unit for limit in limits):
            raise SettingsError(f"{where}: {metric} is there twice; remove one")
        limits.append(Limit(metric, amount / 100 if unit == "%" else amount, unit))
    return tuple(limits)


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of a pool at one time. `errors` are answers of 500 and more, and requests whose worker died.

    `loop_lag` is the longest since the sample before, in seconds.
    """

    requests: int = 0
    errors: int = 0
    latency: Histogram = field(default_factory=Histogram)
    loop_lag: float = 0.0


@dataclass(frozen=True, slots=True)
class Trip:
    """Why the fuse blew, as evidence for the log."""

    limit: Limit
    found: float
    other: float
    requests: int
    other_requests: int

    def __str__(self) -> str:
        shown = f"{self.found:.1%}" if self.limit.metric == "error-rate" else f"{self.found * 1000:.0f} ms"
        other = f"{self.other:.1%}" if self.limit.metric == "error-rate" else f"{self.other * 1000:.0f} ms"
        beside = "" if self.limit.metric == "loop-lag" else f", other pool {other} of {self.other_requests}"
        return f"{self.limit}: {shown} of {self.requests} requests{beside}"


class Window:
    """The samples of one pool in the last `length` seconds, and the one before them to subtract."""

    __slots__ = ("_length", "_samples")

    def __init__(self, length: float) -> None:
        self._length = length
        self._samples: deque[tuple[float, Sample]] = deque()

    def add(self, now: float, sample: Sample) -> None:
        self._samples.append((now, sample))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._length:
            self._samples.popleft()

    def change(self) -> Sample:
        """What happened in the window."""
        if len(self._samples) < 2:
            return Sample()
        first, last = self._samples[0][1], self._samples[-1][1]
        return Sample(
            _grown(last.requests, first.requests),
            _grown(last.errors, first.errors),
            last.latency.since(first.latency),
            max(sample.loop_lag for _, sample in list(self._samples)[1:]),
        )


def _grown(now: int, then: int) -> int:
    return now - then if now >= then else now  # a counter that was reset


class Fuse:
    """Watches a pool that gains weight and the one it takes it from. Blows once; `reset` mends it."""

    __slots__ = ("_length", "_limits", "_new", "_old", "blown")

    def __init__(self, limits: tuple[Limit, ...], window: float = 30.0) -> None:
        self._limits = limits
        self._length = window
        self.blown: Trip | None = None
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the weights were changed by hand."""
        self.blown = None
        self._new, self._old = Window(self._length), Window(self._length)

    def observe(self, now: float, new: Sample, old: Sample) -> Trip | None:
        """Take a sample of both pools, about once a second; the reason, at the moment it blows."""
        self._new.add(now, new)
        self._old.add(now, old)
        if self.blown is None:
            self.blown = evaluate(self._limits, self._new.change(), self._old.change())
            return self.blown
        return None


def evaluate(limits: tuple[Limit, ...], new: Sample, old: Sample) -> Trip | None:
    """The first limit that the new pool is over, given what happened in the window of both. Pure."""
    for limit in limits:
        found, other = _value(limit.metric, new), _value(limit.metric, old)
        if _is_over(limit, new, old, found, other):
            return Trip(limit, found, other, new.requests, old.requests)
    return None


def _is_over(limit: Limit, new: Sample, old: Sample, found: float, other: float) -> bool:
    if limit.metric == "loop-lag":
        return found > limit.amount
    if new.requests < LEAST_REQUESTS or (limit.unit == "x" and old.requests < LEAST_REQUESTS):
        return False
    if limit.metric == "error-rate":
        if limit.unit == "x":
            return _has_more_errors(limit.amount, new, old)
        if not is_beyond_chance(new.errors, new.requests, limit.amount):
            return False
        # A pool without requests of its own proves nothing in the other's favour or against it.
        return old.requests < LEAST_REQUESTS or _has_more_errors(1.0, new, old)
    return _is_slower(limit, new, old)


def _has_more_errors(times: float, new: Sample, old: Sample) -> bool:
    """If the new pool's rate were so many times the other's, it would have this part of all errors, give or take."""
    part = times * new.requests / (times * new.requests + old.requests)
    return is_beyond_chance(new.errors, new.errors + old.errors, part)


def _is_slower(limit: Limit, new: Sample, old: Sample) -> bool:
    """More requests than the percentile allows took longer than the limit."""
    part = 1 - float(limit.metric[1:]) / 100
    most = limit.amount
    if limit.unit == "x":
        surely = part - _DEVIATIONS * math.sqrt(part * (1 - part) / old.requests)
        most *= old.latency.percentile(100 * (1 - max(0.0, surely)))
    return is_beyond_chance(new.latency.above(most), new.requests, part)


def is_beyond_chance(count: int, of: int, rate: float) -> bool:
    """Is it improbable that at this rate so many of so many happen? The upper tail of the binomial distribution."""
    if count <= of * rate:
        return False
    if rate <= 0:
        return True
    log_term = (
        math.lgamma(of + 1)
        - math.lgamma(count + 1)
        - math.lgamma(of - count + 1)
        + count * math.log(rate)
        + (of - count) * math.log1p(-rate)
    )
    term = tail = math.exp(log_term)
    for number in range(count, of):
        term *= (of - number) / (number + 1) * rate / (1 - rate)
        tail += term
        if tail >= _CHANCE or term < 1e-3 * tail:
            break
    return tail < _CHANCE


def _value(metric: str, sample: Sample) -> float:
    if metric == "error-rate":
        return sample.errors / sample.requests if sample.requests else 0.0
    if metric == "loop-lag":
        return sample.loop_lag
    return sample.latency.percentile(float(metric[1:]))
