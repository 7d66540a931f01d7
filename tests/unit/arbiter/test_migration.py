"""What the arbiter keeps of a migration, and how the fuse acts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from hybrid.arbiter.crossings import Crossings
from hybrid.arbiter.migration import Migration
from hybrid.arbiter.releases import Release, Site, plan, sites_of
from hybrid.arbiter.state import Pool, State
from hybrid.contract.messages import LoopBlocked, Shadowed
from hybrid.contract.scoreboard import InFlight
from hybrid.settings import Settings
from hybrid.settings.kinds import Opaque

LOG = logging.getLogger("test")


class Server:
    """The parts of an arbiter that a migration needs, with two pools."""

    def __init__(self, **settings: Any) -> None:
        base = Settings(
            pools=Opaque(("legacy=a:a", "modern=b:b")),
            routes=Opaque(("/api/*=legacy:90,modern:10",)),
            **settings,
        )
        self.said: list[str] = []
        self.crossings = Crossings(LOG, 8, self.said.append)
        self.migration = Migration(self.crossings, LOG, lambda pid: None)
        self.state = State(slots=8)
        self.load(base)

    def load(self, settings: Settings) -> None:
        sites, routes = sites_of(settings, "/")
        release = Release(0, settings, {}, cast("dict[str, Site]", sites), routes)
        self.crossings.adopt(release)
        pools = {name: Pool(name=name, plan=plan(site.settings), size=1) for name, site in sites.items()}
        self.state = replace(self.state, pools=pools)
        self.crossings.observe(self.state, [release])

    def serve(self, pool: str, requests: int, errors: int = 0, pattern: str = "/api/*") -> None:
        row = self.crossings.row(1 if pool == "modern" else 0)
        assert row is not None
        for number in range(requests):
            row.cell(pool, pattern).count(500 if number < errors else 200, 0.01)

    def look(self, now: float) -> float | None:
        return self.migration.look(self.state, None, now)

    def close(self) -> None:
        self.crossings.close()

    @property
    def routes(self) -> list[str]:
        return [str(route) for route in self.crossings.routes.current]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(**settings: Any) -> Server:
        servers.append(Server(**settings))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_without_routes_there_is_nothing_to_look_at() -> None:
    crossings = Crossings(LOG, 8, print)
    migration = Migration(crossings, LOG, lambda pid: None)
    assert migration.look(State(slots=8), 12.0, 0.0) == 12.0
    assert migration.facts(State(slots=8))["pools"] == []


def test_a_fuse_is_looked_at_once_a_second_and_not_without_one(serve: Callable[..., Server]) -> None:
    assert serve().look(0.0) is None
    server = serve(fuse="error-rate>2%")
    assert server.look(10.0) == 11.0
    assert server.look(10.5) == 11.0
    assert server.migration.look(server.state, 10.7, 10.6) == 10.7


def test_a_regression_takes_the_weight_away_with_the_evidence(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(fuse="error-rate>2%")
    server.look(0.0)
    server.serve("legacy", 900)
    server.serve("modern", 100, errors=50)
    server.look(1.0)
    assert server.routes == ["/api/*=legacy:90,modern:0"]
    evidence = "error-rate>2%: 50.0% of 100 requests, other pool 0.0% of 900"
    assert f"Fuse: route /api/*: modern loses its weight to legacy: {evidence}" in caplog.text
    (blown,) = server.migration.blown
    assert (blown["route"], blown["pool"], blown["instead"], blown["evidence"]) == (
        "/api/*", "modern", "legacy", evidence,
    )  # fmt: skip
    assert any(line.startswith("Routes: /api/*=legacy:90,modern:0 (was") for line in server.said)
    assert server.look(2.0) is None, "nothing is on probation any more"
    history = cast("list[dict[str, Any]]", server.migration.facts(server.state)["history"])
    assert [entry["weights"]["/api/*"]["modern"] for entry in history] == [10, 0]


def test_a_rollback_of_the_fuses_change_puts_the_pool_on_probation_again(serve: Callable[..., Server]) -> None:
    server = serve(fuse="error-rate>2%")
    server.look(0.0)
    server.serve("modern", 100, errors=50)
    server.look(1.0)
    server.crossings.change(lambda live: live.rolled_back()[0])
    assert server.routes == ["/api/*=legacy:90,modern:10"]
    assert server.look(2.0) == 3.0
    assert server.look(3.0) == 4.0, "what was before the change counts no more"
    server.serve("modern", 100, errors=50)
    server.look(4.0)
    assert server.routes == ["/api/*=legacy:90,modern:0"]


def test_requests_that_died_with_their_worker_count_for_the_fuse(serve: Callable[..., Server]) -> None:
    server = serve(fuse="error-rate>2%")
    server.look(0.0)
    server.serve("modern", 20)
    server.migration.died("modern", [InFlight(0.0, "GET", "/api/x", "")] * 10)
    server.look(1.0)
    assert server.routes == ["/api/*=legacy:90,modern:0"]


def test_a_reload_may_bring_another_fuse(serve: Callable[..., Server]) -> None:
    server = serve(fuse="error-rate>2%")
    server.look(0.0)
    serving = server.crossings.serving
    assert serving is not None
    server.load(replace(serving.settings, fuse=""))
    assert server.look(1.0) is None


def test_what_blocked_event_loops_is_added_up_the_dearest_first(serve: Callable[..., Server]) -> None:
    server = serve()
    server.migration.heard("modern", LoopBlocked("a.py:1 in f", 0.2, "GET /a"))
    for _ in range(3):
        server.migration.heard("modern", LoopBlocked("b.py:2 in g", 0.5))
    sites = cast("list[dict[str, Any]]", server.migration.facts(server.state)["blocking"])
    assert [(site["where"], site["count"], site["seconds"], site["longest_s"], site["request"]) for site in sites] == [
        ("b.py:2 in g", 3, 1.5, 0.5, ""),
        ("a.py:1 in f", 1, 0.2, 0.2, "GET /a"),
    ]


def test_shadow_findings_are_added_up_by_rule_and_rules_without_any_are_there(serve: Callable[..., Server]) -> None:
    server = serve(shadow=Opaque(("/api/*=modern:50", "/b=modern")))
    kind = {"what": "status", "count": 2, "request": "GET /a", "real": "200", "shadow": "404"}
    for _ in range(2):
        found = Shadowed("/api/*", "modern", compared=3, agreed=1, real={"40": 3}, differences=[dict(kind)])
        server.migration.heard("shadow", found)
    rules = cast("list[dict[str, Any]]", server.migration.facts(server.state)["shadow"])
    assert [(rule["pattern"], rule["percent"], rule["compared"], rule["agreed"]) for rule in rules] == [
        ("/api/*", 50.0, 6, 2),
        ("/b", 100.0, 0, 0),
    ]
    assert rules[0]["differences"] == [{**kind, "count": 4}]
    assert rules[0]["real"] == {"40": 6}


def test_the_worker_that_compares_is_no_application(serve: Callable[..., Server]) -> None:
    serving = serve(shadow=Opaque(("/api/*=modern",))).crossings.serving
    assert serving is not None
    assert serving.apps == "a:a, b:b"


def test_the_facts_say_what_each_pool_did_with_each_route(serve: Callable[..., Server]) -> None:
    server = serve()
    server.look(0.0)
    server.serve("modern", 3, errors=1)
    facts: dict[str, Any] = server.migration.facts(server.state)
    assert facts["default"] == "legacy"
    assert facts["routes"] == [{"pattern": "/api/*", "weights": {"legacy": 90, "modern": 10}, "sticky": "cookie"}]
    (traffic,) = facts["traffic"]
    assert (traffic["pool"], traffic["requests"], traffic["errors"], sum(traffic["latency"].values())) == (
        "modern", 3, 1, 3,
    )  # fmt: skip
