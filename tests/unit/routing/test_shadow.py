"""Which requests are copied, and to which pool."""

from __future__ import annotations

import pytest

from hybrid.errors import SettingsError
from hybrid.http.request import Request
from hybrid.routing.shadow import ShadowPlan, parse_shadow, read_shadow

POOLS = ("legacy", "modern")


def request(method: str = "GET", path: bytes = b"/api/x", upgrade: bytes = b"") -> Request:
    made = Request()
    made.method, made.path, made.upgrade = method, path, upgrade
    made.host, made.headers, made.client = b"example.org", [], ("127.0.0.1", 1)
    return made


def test_text() -> None:
    for text in ("/api/*=modern:20", "/*=modern", "POST /api/search=modern"):
        assert str(parse_shadow(text)) == text
    assert parse_shadow("/a=modern:20%").percent == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/api/*", "found no pool"),
        ("=modern", "found no pool"),
        ("api=modern", "found no path"),
        ("/a=mod/ern", "no name of a pool"),
        ("/a=modern:0", "expected a percentage"),
        ("/a=modern:101", "expected a percentage"),
        ("/a=modern:x", "expected a percentage"),
        ("/a=other", "there is no pool 'other'; there are legacy, modern"),
    ],
)
def test_bad_text_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_shadow([text], POOLS)


def test_what_cannot_be_together_is_refused() -> None:
    with pytest.raises(SettingsError, match="already"):
        read_shadow(["/a=modern", "/a=legacy"], POOLS)
    with pytest.raises(SettingsError, match="only pool"):
        read_shadow(["/a=main"], ["main"])
    with pytest.raises(SettingsError, match="give yours another name"):
        read_shadow(["/a=modern"], [*POOLS, "shadow"])


def test_tables() -> None:
    tables = [{"path": "/a/*", "header": "x-test", "pool": "modern", "percent": 20}, {"path": "/b", "pool": "legacy"}]
    first, second = read_shadow(tables, POOLS)
    assert (first.pool, first.percent, first.pattern.headers) == ("modern", 20, (("x-test", ""),))
    assert str(second) == "/b=legacy"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": "/a"}, r"hybrid.toml \[\[shadow\]\] 1: pool: found None"),
        ({"path": "/a", "pool": "modern", "percent": "x"}, "percent: found 'x'"),
        ({"path": "/a", "pool": "modern", "percent": 0}, "expected a percentage"),
        ({"path": "/a", "pool": "modern", "sticki": 1}, "there is no key 'sticki'"),
    ],
)
def test_bad_tables_are_refused_with_the_reason(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_shadow([table], POOLS, "hybrid.toml")


def test_only_get_and_head_unless_asked_for() -> None:
    plan = ShadowPlan(read_shadow(["/api/*=modern", "POST /api/search=modern"], POOLS))
    assert plan.rule_for(request("GET")) is not None
    assert plan.rule_for(request("HEAD")) is not None
    assert plan.rule_for(request("POST")) is None
    assert plan.rule_for(request("POST", b"/api/search")) is not None
    assert plan.rule_for(request("GET", b"/other")) is None


def test_no_copies_of_upgrades_nor_of_what_the_pool_serves_itself() -> None:
    rules = read_shadow(["/api/*=modern"], POOLS)
    assert ShadowPlan(rules).rule_for(request(upgrade=b"websocket")) is None
    assert not ShadowPlan(rules, own="modern")
    assert ShadowPlan(rules, own="modern").rule_for(request()) is None


def test_the_most_specific_pattern_decides() -> None:
    plan = ShadowPlan(read_shadow(["/*=modern", "/api/*=legacy"], POOLS), own="legacy")
    assert plan.rule_for(request(path=b"/api/x")) is None
    rule = plan.rule_for(request(path=b"/x"))
    assert rule is not None
    assert rule.pool == "modern"


def test_a_percentage_is_drawn() -> None:
    draws = iter([0.0, 0.19, 0.21, 0.99])
    plan = ShadowPlan(read_shadow(["/*=modern:20"], POOLS), draw=lambda: next(draws))
    assert [plan.rule_for(request()) is not None for _ in range(4)] == [True, True, False, False]
