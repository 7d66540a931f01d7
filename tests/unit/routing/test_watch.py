"""Which pools are on probation, and when they have failed."""

from __future__ import annotations

import random

from hybrid.contract.histogram import Histogram
from hybrid.contract.traffic import Counts
from hybrid.routing.fuse import parse_fuse
from hybrid.routing.routes import Route, parse_route
from hybrid.routing.watch import Watch, established_pool

LIMITS = parse_fuse("error-rate>2%,p95>1.5x,loop-lag>0.5s")


def counts(requests: int, errors: int = 0) -> Counts:
    histogram = Histogram()
    histogram.counts[40] = requests  # type: ignore[index]
    return Counts(requests=requests, errors=errors, latency=histogram)


def watching(*routes: str, default: str = "legacy") -> Watch:
    watch = Watch(LIMITS, 30.0)
    watch.follow([parse_route(route) for route in routes], default)
    return watch


def test_the_established_pool_is_the_default_or_the_one_with_most_weight() -> None:
    def pool(text: str) -> str:
        return established_pool(parse_route(text), "legacy")

    assert pool("/*=modern:90,legacy:10") == "legacy"
    assert pool("/*=modern:100,legacy:0") == "legacy"
    assert pool("/*=a:10,b:90") == "b"


def test_a_pool_on_probation_fails_and_the_evidence_is_told() -> None:
    watch = watching("/api/*=legacy:90,modern:10")
    assert watch.observe(0, {}, {}) == []
    found = watch.observe(1, {("legacy", "/api/*"): counts(900), ("modern", "/api/*"): counts(100, 50)}, {})
    assert [(blown.pool, blown.instead) for blown in found] == [("modern", "legacy")]
    assert str(found[0]) == (
        "route /api/*: modern loses its weight to legacy: error-rate>2%: 50.0% of 100 requests, other pool 0.0% of 900"
    )


def test_the_established_pool_is_never_blamed() -> None:
    watch = watching("/*=legacy:90,modern:10")
    watch.observe(0, {}, {})
    assert watch.observe(1, {("legacy", "/*"): counts(900, 450), ("modern", "/*"): counts(100)}, {}) == []
    watch.follow([parse_route("/*=legacy:100,modern:0")], "legacy")
    assert watch.is_idle


def test_routes_are_watched_one_by_one() -> None:
    watch = watching("/a=legacy:1,modern:1", "/b=legacy:1,modern:1", "/c=modern")
    watch.observe(0, {}, {})
    seen = {("modern", "/a"): counts(100), ("modern", "/b"): counts(100, 90), ("modern", "/c"): counts(100, 90)}
    assert [str(blown.pattern) for blown in watch.observe(1, seen, {})] == ["/b"]


def test_a_change_of_weights_begins_anew_and_other_routes_go_on() -> None:
    watch = watching("/a=legacy:1,modern:1", "/b=legacy:1,modern:1")
    watch.observe(0, {}, {})
    watch.follow([parse_route("/a=legacy:1,modern:2"), parse_route("/b=legacy:1,modern:1")], "legacy")
    seen = {("modern", "/a"): counts(100, 90), ("modern", "/b"): counts(100, 90)}
    assert [str(blown.pattern) for blown in watch.observe(1, seen, {})] == ["/b"], "of /a this is the first sample"


def test_lag_of_the_event_loop_is_the_pools() -> None:
    watch = watching("/*=legacy:1,modern:1")
    watch.observe(0, {}, {})
    assert watch.observe(1, {}, {"legacy": 3.0}) == []
    assert [blown.pool for blown in watch.observe(2, {}, {"modern": 0.6})] == ["modern"]


def test_requests_whose_worker_died_are_errors() -> None:
    watch = watching("/api/*=legacy:1,modern:1", "POST /form=legacy:1,modern:1")
    watch.observe(0, {}, {})
    for _ in range(20):
        watch.lost("modern", "GET", "/%61pi/x?y")
        watch.lost("modern", "GET", "/form")
        watch.lost("legacy", "POST", "/form")
    found = watch.observe(1, {("modern", "/api/*"): counts(20), ("modern", "POST /form"): counts(20)}, {})
    assert [str(blown.pattern) for blown in found] == ["/api/*"]


def test_random_changes_of_weights_leave_the_established_pool_alone() -> None:
    """Whatever happens, no trip names the established pool, or a pool without weight, and each is told once."""
    for seed in range(50):
        random_ = random.Random(seed)
        watch = Watch(LIMITS, 10.0)
        route: Route | None = None
        seen: dict[tuple[str, str], Counts] = {}
        told = False
        for now in range(60):
            if route is None or random_.random() < 0.1:
                weight = random_.randrange(101)
                if random_.random() < 0.3:
                    weight = random_.choice([0, 100])
                fresh = parse_route(f"/*=legacy:{100 - weight},modern:{weight}")
                told = told and fresh == route
                route = fresh
                watch.follow([route], "legacy")
            for pool in ("legacy", "modern"):
                old = seen.get((pool, "/*"), Counts())
                more = random_.randrange(30)
                grown = counts(old.requests + more, old.errors + random_.randrange(more + 1))
                seen[pool, "/*"] = grown
            for blown in watch.observe(now, seen, {}):
                assert blown.pool == "modern"
                assert route.weight_of("modern")
                assert not told
                told = True
