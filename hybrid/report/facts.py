"""What the arbiter's answer says, as values to judge by: an entry for each route, with pools and shadow traffic.

Traffic that came by no route stands under the pattern for everything, where it belongs to the default pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hybrid.contract.histogram import BUCKETS, Histogram
from hybrid.errors import SettingsError
from hybrid.routing.pattern import Pattern, parse_pattern

SHADOW_ROUTE = "(shadow)"
"""Where pools count the copies that they answered: of no interest beside what the comparison says."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one pool did with the requests of one route."""

    pool: str
    weight: float = 0.0
    """Percent of the route's requests that it is to get."""
    requests: int = 0
    errors: int = 0
    latency: Histogram = field(default_factory=Histogram)
    sampled: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    copied: int = 0
    dropped: int = 0
    unfit: int = 0

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def waiting(self) -> float | None:
        """The part of the application's time in which it did not compute; None where it was not measured enough."""
        if self.sampled < 5 or self.wall_s <= 0:
            return None
        return min(1.0, max(0.0, 1 - self.cpu_s / self.wall_s))


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    count: int
    request: str
    real: str
    shadow: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """What the copies of one rule have shown."""

    pattern: str
    pool: str
    percent: float
    """0: the rule is not in force any more."""
    compared: int
    agreed: int
    skipped: int
    failed: Mapping[str, int]
    real: Histogram
    shadow: Histogram
    differences: tuple[Difference, ...]
    masked: Mapping[str, int] = field(default_factory=dict)
    """What differed and does not count, with how often."""

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    @property
    def agreement(self) -> float:
        """Of those that were answered."""
        return self.agreed / self.compared if self.compared else 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """A line that held up event loops."""

    pool: str
    where: str
    count: int
    seconds: float
    longest_s: float
    request: str


@dataclass(frozen=True, slots=True)
class Blown:
    at: float
    route: str
    pool: str
    instead: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Route:
    pattern: str
    established: str
    """The pool that the others are compared with."""
    served: tuple[Served, ...]
    shadows: tuple[Shadow, ...] = ()

    def of(self, pool: str) -> Served:
        return next((one for one in self.served if one.pool == pool), Served(pool))

    @property
    def requests(self) -> int:
        return sum(one.requests for one in self.served)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The pools that may take over: those with a share or with shadow traffic."""
        names = [one.pool for one in self.served] + [shadow.pool for shadow in self.shadows if shadow.percent]
        return tuple(dict.fromkeys(name for name in names if name != self.established))


@dataclass(frozen=True, slots=True)
class Facts:
    at: float
    pools: tuple[Mapping[str, Any], ...]
    routes: tuple[Route, ...]
    sites: tuple[Site, ...]
    blown: tuple[Blown, ...]
    changes: tuple[tuple[float, str], ...]
    history: tuple[tuple[float, Mapping[str, Mapping[str, float]]], ...]
    """When which weights came into force, by route and pool."""
    fuse: str
    window_s: float

    def sites_of(self, route: Route, pool: str) -> list[Site]:
        """What held up the event loops of a pool while it served this route, or while it is not known what."""
        return [
            site
            for site in self.sites
            if site.pool == pool and (not site.request or self._route_of(site.request) == route.pattern)
        ]

    def _route_of(self, request: str) -> str:
        """The most specific pattern that a request line could be meant by."""
        method, _, target = request.partition(" ")
        found = [
            (pattern.specificity(), route.pattern)
            for route in self.routes
            if (pattern := _parsed(route.pattern)) is not None and pattern.may_match(method, target.partition("?")[0])
        ]
        return max(found)[1] if found else ""


def _parsed(text: str) -> Pattern | None:
    try:
        return parse_pattern(text, "route")
    except SettingsError:  # one with conditions on header fields
        return None


def read_facts(document: Mapping[str, Any]) -> Facts:
    """From what the arbiter answers to `migration`."""
    fuse = document["fuse"]
    shadows = [_shadow(table) for table in document["shadow"]]
    return Facts(
        at=document["at"],
        pools=tuple(document["pools"]),
        routes=tuple(_routes(document, shadows)),
        sites=tuple(_picked(Site, table) for table in document["blocking"]),
        blown=tuple(_picked(Blown, table) for table in fuse["blown"]),
        changes=tuple((change["at"], change["text"]) for change in document["changes"]),
        history=tuple((entry["at"], entry["weights"]) for entry in document["history"]),
        fuse=fuse["limits"],
        window_s=fuse["window_s"],
    )


def _picked(kind: type[Any], table: Mapping[str, Any]) -> Any:
    return kind(**{name: table[name] for name in kind.__dataclass_fields__})


def _routes(document: Mapping[str, Any], shadows: Iterable[Shadow]) -> Iterable[Route]:
    default = document["default"]
    weights: dict[str, Mapping[str, float]] = {route["pattern"]: route["weights"] for route in document["routes"]}
    counted: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in document["traffic"]:
        if row["pattern"] not in ("", SHADOW_ROUTE):
            counted.setdefault(row["pattern"], {})[row["pool"]] = row
    by_pattern: dict[str, list[Shadow]] = {}
    for shadow in shadows:
        by_pattern.setdefault(shadow.pattern, []).append(shadow)
    for pattern in dict.fromkeys([*weights, *counted, *by_pattern]):
        shares, rows = weights.get(pattern, {default: 1.0}), counted.get(pattern, {})
        total = sum(shares.values()) or 1.0
        served = tuple(
            _served(pool, 100 * shares.get(pool, 0.0) / total, rows.get(pool))
            for pool in dict.fromkeys([*shares, *rows])
        )
        established = default if default in shares else max(shares, key=lambda pool: shares[pool])
        yield Route(pattern, established, served, tuple(by_pattern.get(pattern, ())))


def _served(pool: str, weight: float, row: Mapping[str, Any] | None) -> Served:
    if row is None:
        return Served(pool, weight)
    names = ("requests", "errors", "sampled", "wall_s", "cpu_s", "copied", "dropped", "unfit")
    return Served(pool, weight, latency=_histogram(row["latency"]), **{name: row[name] for name in names})


def _shadow(table: Mapping[str, Any]) -> Shadow:
    names = ("pattern", "pool", "percent", "compared", "agreed", "skipped", "failed")
    return Shadow(
        **{name: table[name] for name in names},
        real=_histogram(table["real"]),
        shadow=_histogram(table["shadow"]),
        differences=tuple(_picked(Difference, difference) for difference in table["differences"]),
        masked=table.get("masked", {}),
    )


def _histogram(counts: Mapping[str, int]) -> Histogram:
    row = [0] * BUCKETS
    for index, count in counts.items():
        row[int(index)] = count
    return Histogram(row)
