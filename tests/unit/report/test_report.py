"""What the report concludes from the arbiter's numbers, and how it reads."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from hybrid.contract.histogram import Histogram
from hybrid.report import page, read_facts, text, verdicts_json
from hybrid.report.facts import Facts
from hybrid.report.verdict import gain, ms, percent, verdicts

NOW = 1_700_000_000.0


def latencies(number: int, median: float, seed: int = 1) -> dict[str, int]:
    random_ = random.Random(seed)
    histogram = Histogram()
    for _ in range(number):
        histogram.record(median * random_.lognormvariate(0, 0.3))
    return {str(index): count for index, count in enumerate(histogram.counts) if count}


def traffic(pool: str, requests: int, errors: int = 0, median: float = 0.05, **more: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("sampled", "copied", "dropped", "unfit"), 0)
    return {
        "pool": pool, "pattern": "/api/*", "requests": requests, "errors": errors, "wall_s": 0.0, "cpu_s": 0.0,
        "latency": latencies(requests, median), **counts, **more,
    }  # fmt: skip


def shadow(compared: int, agreed: int | None = None, median: float = 0.05, **more: Any) -> dict[str, Any]:
    return {
        "pattern": "/api/*", "pool": "modern", "percent": 100.0, "compared": compared, "skipped": 0, "failed": {},
        "agreed": compared if agreed is None else agreed, "real": latencies(compared, 0.05),
        "shadow": latencies(compared, median), "differences": [], **more,
    }  # fmt: skip


def facts(*rows: dict[str, Any], weight: float = 50, **more: Any) -> Facts:
    pools = [
        {"name": name, "app": f"{name}:app", "class": "sync", "size": 1, "ready": 1} for name in ("legacy", "modern")
    ]
    document = {
        "at": NOW,
        "default": "legacy",
        "pools": pools,
        "routes": [{"pattern": "/api/*", "weights": {"legacy": 100 - weight, "modern": weight}, "sticky": "cookie"}],
        "traffic": list(rows),
        "shadow": [],
        "blocking": [],
        "fuse": {"limits": "error-rate>2%", "window_s": 30.0, "blown": []},
        "changes": [],
        "history": [{"at": NOW - 60, "weights": {"/api/*": {"legacy": 100 - weight, "modern": weight}}}],
        **more,
    }
    return read_facts(document)


def verdict(found: Facts) -> tuple[str, str]:
    (one,) = verdicts(found.routes[0], found)
    return one.word, "; ".join(one.reasons)


def blocking(request: str = "GET /api/x", longest: float = 1.0) -> list[dict[str, Any]]:
    site = {"pool": "modern", "where": "v.py:1 in f", "count": 2, "seconds": 2.0, "longest_s": longest, "at": NOW}
    return [{**site, "request": request}]


BLOWN = {"limits": "error-rate>2%", "window_s": 30.0, "blown": [
    {"at": NOW - 9, "route": "/api/*", "pool": "modern", "instead": "legacy", "limit": "", "evidence": "5%", "text": ""}
]}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "word", "reason"),
    [
        (facts(), "no traffic", "only 0 of 100"),
        (facts(traffic("legacy", 900), traffic("modern", 50)), "not yet", "only 50 of 100"),
        (facts(traffic("legacy", 900), traffic("modern", 500)), "ready", "500 requests served, 0% errors"),
        (facts(traffic("modern", 500), weight=100), "moved", "500 requests served"),
        (facts(traffic("legacy", 900), traffic("modern", 500, 50)), "not yet", "10.0% errors, 0% in legacy"),
        (facts(traffic("legacy", 900, 90), traffic("modern", 500, 50)), "ready", "10.0% errors"),
        (facts(traffic("legacy", 900), traffic("modern", 500, median=0.2)), "not yet", "slower: p50"),
        (facts(weight=0, shadow=[shadow(1000)]), "ready", "100% of 1000 shadow answers agree"),
        (facts(weight=0, shadow=[shadow(1000, 990)]), "not yet", "10 of 1000 shadow answers differ"),
        (facts(weight=0, shadow=[shadow(1000, 9999, 0.2)]), "not yet", "slower in shadow traffic: p50"),
        (facts(weight=0, shadow=[shadow(1000, failed={"no response": 7})]), "not yet", "7 copies were not answered"),
        (facts(weight=0, shadow=[shadow(20)]), "not yet", "only 20 of 100"),
        (facts(traffic("modern", 500), blocking=blocking()), "not yet", "for up to 1.0 s: v.py:1 in f"),
        (facts(traffic("modern", 500), blocking=blocking("")), "not yet", "for up to 1.0 s: v.py:1 in f"),
        (facts(traffic("modern", 500), blocking=blocking("GET /other")), "ready", "served"),
        (facts(traffic("modern", 500), blocking=blocking(longest=0.2)), "ready", "served"),
        (facts(traffic("modern", 500), weight=0, fuse=BLOWN), "not yet", "the fuse blew: 5%"),
        (facts(traffic("modern", 500), weight=10, fuse=BLOWN), "ready", "served"),
    ],
)
def test_verdict(found: Facts, word: str, reason: str) -> None:
    said, reasons = verdict(found)
    assert said == word
    assert reason in reasons


@pytest.mark.parametrize(
    ("weight", "command"),
    [
        (0, "hybrid route '/api/*=legacy:90,modern:10'"),
        (10, "hybrid route '/api/*=legacy:50,modern:50'"),
        (50, "hybrid promote '/api/*' modern"),
    ],
)
def test_who_is_ready_is_told_the_next_command(weight: float, command: str) -> None:
    found = facts(traffic("modern", 500), weight=weight)
    assert [one.next_step for one in verdicts(found.routes[0], found)] == [command]
    assert command in text(found)


def test_a_shadow_rule_without_a_route_is_a_route_of_its_own() -> None:
    found = facts(routes=[], traffic=[], shadow=[shadow(1000)])
    assert [(one["route"], one["pool"], one["word"]) for one in verdicts_json(found)] == [("/api/*", "modern", "ready")]


@pytest.mark.parametrize(("cpu", "words"), [(0.5, "gains from ASGI"), (3.0, "gains something"), (4.5, "gains little")])
def test_what_waits_gains_from_asgi(cpu: float, words: str) -> None:
    found = facts(traffic("legacy", 900, sampled=50, wall_s=5.0, cpu_s=cpu))
    assert gain(found.routes[0]).startswith(words)
    assert gain(facts(traffic("legacy", 900, sampled=2, wall_s=5.0, cpu_s=cpu)).routes[0]) == ""


def test_numbers_read_well() -> None:
    assert [ms(value) for value in (0.00123, 0.0123, 0.5, 1.5)] == ["1.2 ms", "12 ms", "500 ms", "1.50 s"]
    assert [percent(value) for value in (0, 0.00123, 0.123, 0.9999999, 1)] == ["0%", "0.12%", "12.3%", "99.99%", "100%"]


def test_a_terminal_is_told_nothing_that_it_would_obey() -> None:
    difference = {"what": "status", "count": 1, "request": "GET /\x1b[2J", "real": "\x1b]0;x\x07", "shadow": "\r"}
    shown = text(facts(shadow=[shadow(1000, 999, differences=[difference])]))
    assert "\x1b" not in shown
    assert "\r" not in shown


class _Checker(HTMLParser):
    """Fails for elements that are not closed in order; collects what would load or run something."""

    void = frozenset({"meta", "br", "line", "path", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            self.stack.append(tag)
        names = {name for name, _ in attrs}
        if tag in ("script", "link", "img", "iframe") or names & {"src", "href"} or any(n[:2] == "on" for n in names):
            self.active.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.stack.pop() == tag


def test_the_page_is_well_formed_loads_nothing_and_escapes_what_others_wrote() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    difference = {"what": evil, "count": 1, "request": evil, "real": evil, "shadow": evil}
    found = facts(
        traffic("legacy", 900, 3, sampled=50, wall_s=5.0, cpu_s=1.0),
        traffic("modern", 500, 100),
        shadow=[shadow(1000, 999, differences=[difference], failed={evil: 3})],
        blocking=[{**blocking()[0], "where": evil, "request": evil, "pool": evil}],
        fuse={**BLOWN, "limits": evil, "blown": [{**BLOWN["blown"][0], "evidence": evil}]},  # type: ignore[dict-item, index]
        changes=[{"at": NOW - 20, "text": evil}],
        pools=[{"name": evil, "app": evil, "class": evil, "size": 1, "ready": 1}],
    )
    html = page(found)
    checker = _Checker()
    checker.feed(html)
    assert checker.stack == []
    assert checker.active == []
    assert not re.search(r"<(script|img)", html)
    assert "url(" not in html
    assert html.count("<svg") == 3, "latencies, those of shadow traffic, weights"


def test_a_server_without_routes_says_so() -> None:
    found = facts(routes=[], history=[])
    assert "nothing is being moved" in text(found)
    assert "nothing is being moved" in page(found)


def test_every_plot_stands_any_numbers() -> None:
    for seed in range(30):
        random_ = random.Random(seed)
        rows = [
            traffic(pool, random_.choice([0, 1, 2, 500]), median=10 ** random_.uniform(-5, 2.5))
            for pool in ("legacy", "modern")
        ]
        html = page(facts(*rows, weight=random_.choice([0, 1, 100])))
        assert "nan" not in html
        assert not re.search(r'(x|y|width|height)="-\d{2,}', html)
