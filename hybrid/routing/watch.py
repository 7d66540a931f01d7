"""The fuses of all routes: which pool of a route is on probation, beside which other, and when it has failed. Pure.

In each route one pool is the established one: the default pool if the route has it, else the one with the most weight
when the route was first seen. The others are on probation for as long as they have weight, beside the established
one. So a fuse never takes the weight from the pool that everything came from, whoever gains at the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hybrid.contract.traffic import Counts
from hybrid.routing.fuse import Fuse, Limit, Sample, Trip
from hybrid.routing.pattern import Pattern
from hybrid.routing.routes import Route

NOTHING_COUNTED = Counts()


@dataclass(frozen=True, slots=True)
class Blown:
    """A pool of a route is to have no weight any more."""

    pattern: Pattern
    pool: str
    instead: str
    trip: Trip

    def __str__(self) -> str:
        return f"route {self.pattern}: {self.pool} loses its weight to {self.instead}: {self.trip}"


@dataclass(slots=True)
class _Probation:
    fuse: Fuse
    route: Route
    lost: int = 0
    """Requests whose worker died."""


@dataclass(slots=True)
class Watch:
    """One per arbiter, while there is a fuse."""

    limits: tuple[Limit, ...]
    window: float
    _probations: dict[tuple[Pattern, str], _Probation] = field(default_factory=dict)
    _established: dict[Pattern, str] = field(default_factory=dict)

    def follow(self, routes: Iterable[Route], default: str) -> None:
        """These routes are in force now. Where weights have changed, what was seen before counts no more."""
        before, self._probations = self._probations, {}
        established, self._established = self._established, {}
        for route in routes:
            old = established.get(route.pattern, "")
            if not any(share.pool == old for share in route.shares):
                old = established_pool(route, default)
            self._established[route.pattern] = old
            for share in route.shares:
                if share.weight and share.pool != old:
                    key = (route.pattern, share.pool)
                    found = before.get(key)
                    if found is None or found.route != route:
                        found = _Probation(Fuse(self.limits, self.window), route)
                    self._probations[key] = found

    def lost(self, pool: str, method: str, target: str) -> None:
        """A worker of this pool died with this request under way."""
        path = target.partition("?")[0]
        for (pattern, name), probation in self._probations.items():
            if name == pool and pattern.may_match(method, path):
                probation.lost += 1

    def observe(self, now: float, counts: Mapping[tuple[str, str], Counts], lags: Mapping[str, float]) -> list[Blown]:
        """Look at what was counted, by pool and pattern, and at each pool's longest loop lag since the last look."""
        found = []
        for (pattern, pool), probation in self._probations.items():
            old = self._established[pattern]
            text = str(pattern)
            trip = probation.fuse.observe(
                now,
                _sample(counts.get((pool, text)), lags.get(pool, 0.0), probation.lost),
                _sample(counts.get((old, text)), lags.get(old, 0.0)),
            )
            if trip is not None:
                found.append(Blown(pattern, pool, old, trip))
        return found

    @property
    def is_idle(self) -> bool:
        """No pool is on probation."""
        return not self._probations


def established_pool(route: Route, default: str) -> str:
    """The one that the others are compared with."""
    if any(share.pool == default for share in route.shares):
        return default
    return max(route.shares, key=lambda share: share.weight).pool


def _sample(counts: Counts | None, lag: float, lost: int = 0) -> Sample:
    counts = counts or NOTHING_COUNTED
    return Sample(counts.requests + lost, counts.errors + lost, counts.latency, lag)
