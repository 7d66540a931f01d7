"""May a pool take over a route, and if not yet, why not? And would a route gain from the other interface?

Nothing is held against a pool that the established one has in the same measure, and nothing that chance explains.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

from hybrid.contract.histogram import Histogram
from hybrid.report.facts import Facts, Route, Served, Shadow
from hybrid.routing.fuse import Sample, evaluate, parse_fuse

Word: TypeAlias = Literal["moved", "ready", "not yet", "no traffic"]

ENOUGH: Final = 100
"""Requests that must have been seen, in shadow or in earnest."""
LEAST_AGREEMENT: Final = 0.999
LONGEST_BLOCK_S: Final = 0.5

_LIMITS: Final = parse_fuse("error-rate>0.1%,p50>1.5x,p95>1.5x")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one pool that may take over one route."""

    pool: str
    word: Word
    reasons: tuple[str, ...]
    """Why not; or for a good one, what it rests on."""
    next_step: str = ""
    """The command that comes next, "" if there is none."""


def verdicts(route: Route, facts: Facts) -> tuple[Verdict, ...]:
    """One for each candidate."""
    return tuple(_judge(route, pool, facts) for pool in route.candidates)


def verdicts_json(facts: Facts) -> list[dict[str, object]]:
    """All of them, for programs."""
    return [{"route": route.pattern, **asdict(found)} for route in facts.routes for found in verdicts(route, facts)]


def _judge(route: Route, pool: str, facts: Facts) -> Verdict:
    served = route.of(pool)
    shadows = [shadow for shadow in route.shadows if shadow.pool == pool and (shadow.percent or shadow.compared)]
    compared = sum(shadow.compared + shadow.failures for shadow in shadows)
    reasons = [reason for shadow in shadows for reason in _against_shadow(shadow)]
    reasons += _against_served(served, route.of(route.established))
    reasons += _against_fuse(route, pool, facts)
    reasons += [
        f"holds the event loop for up to {site.longest_s:.1f} s: {site.where}"
        for site in facts.sites_of(route, pool)
        if site.longest_s >= LONGEST_BLOCK_S
    ]
    if reasons:
        return Verdict(pool, "not yet", tuple(reasons))
    seen = max(served.requests, compared)
    if seen < ENOUGH:
        return Verdict(pool, "no traffic" if not seen else "not yet", (f"only {seen} of {ENOUGH} requests were seen",))
    grounds = []
    if compared:
        agreement = sum(shadow.agreed for shadow in shadows) / max(1, sum(shadow.compared for shadow in shadows))
        grounds.append(f"{percent(agreement)} of {compared} shadow answers agree")
    if served.requests:
        grounds.append(f"{served.requests} requests served, {percent(served.error_rate)} errors")
    if served.weight >= 100:
        return Verdict(pool, "moved", tuple(grounds))
    return Verdict(pool, "ready", tuple(grounds), _next_step(route, served))


def _against_shadow(shadow: Shadow) -> list[str]:
    reasons = []
    answered = shadow.compared
    if answered and shadow.agreement < LEAST_AGREEMENT:
        first = shadow.differences[0] if shadow.differences else None
        example = f", most often {first.what} ({first.request})" if first is not None else ""
        reasons.append(f"{answered - shadow.agreed} of {answered} shadow answers differ{example}")
    if shadow.failures > (1 - LEAST_AGREEMENT) * (answered + shadow.failures):
        worst = max(shadow.failed, key=lambda reason: shadow.failed[reason])
        reasons.append(f"{shadow.failures} copies were not answered: {worst}")
    trip = evaluate(_LIMITS[1:], _sample(shadow.shadow), _sample(shadow.real))
    if trip is not None:
        reasons.append(f"slower in shadow traffic: {trip.limit.metric} {ms(trip.found)}, otherwise {ms(trip.other)}")
    return reasons


def has_more_errors(served: Served, other: Served) -> bool:
    """More than chance explains."""
    return evaluate(_LIMITS[:1], _of(served), _of(other)) is not None


def _of(served: Served) -> Sample:
    return Sample(served.requests, served.errors, served.latency)


def _against_served(served: Served, other: Served) -> list[str]:
    ours, theirs = _of(served), _of(other)
    reasons = []
    for limit in _LIMITS:
        trip = evaluate((limit,), ours, theirs)
        if trip is None:
            continue
        if limit.metric == "error-rate":
            reasons.append(f"{percent(trip.found)} errors, {percent(trip.other)} in {other.pool}")
        else:
            reasons.append(f"slower: {limit.metric} {ms(trip.found)}, {ms(trip.other)} in {other.pool}")
    return reasons


def _against_fuse(route: Route, pool: str, facts: Facts) -> list[str]:
    """A fuse counts until somebody has given the pool weight again."""
    if route.of(pool).weight:
        return []
    blown = [one for one in facts.blown if one.route == route.pattern and one.pool == pool]
    return [f"the fuse blew: {blown[-1].evidence}"] if blown else []


def _next_step(route: Route, served: Served) -> str:
    step = next((weight for weight in (10, 50, 100) if weight > served.weight + 0.5), 100)
    if step == 100:
        return f"hybrid promote '{route.pattern}' {served.pool}"
    return f"hybrid route '{route.pattern}={route.established}:{100 - step},{served.pool}:{step}'"


def _sample(latency: Histogram) -> Sample:
    return Sample(latency.total, 0, latency)


def gain(route: Route) -> str:
    """Does the time of its requests go by waiting, in which an event loop would serve others? "" if not measured."""
    measured = [one for one in route.served if one.waiting is not None]
    if not measured:
        return ""
    one = max(measured, key=lambda one: one.sampled)
    waiting = one.waiting or 0.0
    mean = one.wall_s / one.sampled
    if waiting >= 0.7:
        return f"gains from ASGI: a request in {one.pool} waits for {waiting:.0%} of its {ms(mean)}"
    if waiting >= 0.3:
        return f"gains something from ASGI: a request in {one.pool} waits for {waiting:.0%} of its {ms(mean)}"
    return f"gains little from ASGI: a request in {one.pool} computes for {1 - waiting:.0%} of its {ms(mean)}"


def ms(seconds: float) -> str:
    """A duration to read."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def percent(part: float) -> str:
    """A part of 1 to read; nothing that is not all reads as 100 %."""
    if part in (0, 1):
        return f"{part:.0%}"
    return f"{min(part, 0.9999):.2%}" if part > 0.99 or part < 0.01 else f"{part:.1%}"
