"""How routes are written, refused, changed and printed."""

from __future__ import annotations

import tomllib

import pytest

from hybrid.errors import SettingsError
from hybrid.routing import (
    Pattern,
    Route,
    RouteTable,
    Share,
    from_tables,
    parse_pattern,
    parse_route,
    to_tables,
    to_toml,
)
from hybrid.routing.routes import promoted, with_route, without_pool

POOLS = {"legacy": False, "modern": True}


@pytest.mark.parametrize(
    ("text", "pattern", "shares"),
    [
        ("/*=legacy", Pattern("/*"), (Share("legacy", 1),)),
        ("*=legacy:90,modern:10", Pattern("/*"), (Share("legacy", 90), Share("modern", 10))),
        ("/a=b=legacy", Pattern("/a=b"), (Share("legacy", 1),)),
        ("get,HEAD /api/* = modern:0.5, legacy:99.5", Pattern("/api/*", methods=frozenset({"GET", "HEAD"})),
         (Share("modern", 0.5), Share("legacy", 99.5))),
        ("API.example.com/v1/*=modern", Pattern("/v1/*", "api.example.com"), (Share("modern", 1),)),
        ("*.example.com/*=modern", Pattern("/*", "*.example.com"), (Share("modern", 1),)),
        ("/a=legacy,modern", Pattern("/a"), (Share("legacy", 1), Share("modern", 1))),
    ],
)  # fmt: skip
def test_route_of_the_command_line(text: str, pattern: Pattern, shares: tuple[Share, ...]) -> None:
    assert parse_route(text) == Route(pattern, shares)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/api/*", "found no pool"),
        ("=legacy", "found no pool"),
        ("api=legacy", "found no path"),
        ("/a?b=legacy", "without query"),
        ("/a=legacy:x", "weight of pool legacy: found 'x', expected a number"),
        ("/a=legacy:-1", "weight of pool legacy"),
        ("/a=legacy:nan", "weight of pool legacy"),
        ("/a=legacy:inf", "weight of pool legacy"),
        ("/a=legacy:0,modern:0", "all weights are 0"),
        ("/a=legacy:10,modern", "some pools have a weight and some have none"),
        ("/a=legacy:1,legacy:2", "is there twice"),
        ("/a=le gacy", "is no name of a pool"),
        ("/a=", "is no name of a pool"),
        ("G(T /a=legacy", "method"),
        ("ho_st!/a=legacy", "host"),
    ],
)
def test_bad_route_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_route(text)


def test_tables() -> None:
    document = tomllib.loads(
        """
        [[routes]]
        path = "/api/*"
        pools = { modern = 10, legacy = 90 }
        methods = ["GET"]
        host = "example.com"
        header = "X-Beta: 1"
        sticky = "client"
        [[routes]]
        pools = "legacy"
        """
    )
    assert from_tables(document["routes"]) == (
        Route(
            Pattern("/api/*", "example.com", frozenset({"GET"}), (("x-beta", "1"),)),
            (Share("modern", 10), Share("legacy", 90)),
            "client",
        ),
        Route(Pattern("/*"), (Share("legacy", 1),)),
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": "/a"}, "pools: found None"),
        ({"path": "/a", "pols": "legacy"}, "there is no key 'pols'"),
        ({"path": "/a", "pools": "legacy", "sticky": "yes"}, "sticky: found 'yes', expected one of cookie"),
        ({"path": 3, "pools": "legacy"}, "path and host are text"),
        ({"path": "/a", "pools": {"legacy": True}}, "weight of pool legacy: found True"),
        ({"path": "/a", "pools": "legacy", "methods": [1]}, "methods: found"),
        ({"path": "/a", "pools": "legacy", "header": ": x"}, "header ': x'"),
    ],
)
def test_bad_table_is_refused_with_its_place(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=rf"\[\[routes\]\] 1.*{message}"):
        from_tables([table])


def test_unknown_pool_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="there is no pool 'modren'; there are legacy, modern"):
        RouteTable([parse_route("/a=modren")], POOLS)


def test_pattern_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="has a route already"):
        RouteTable([parse_route("GET,PUT /a=legacy"), parse_route("put,get /a=modern")], POOLS)


ROUTES = (
    parse_route("/*=legacy:90,modern:10"),
    parse_route("GET example.com/api/*=modern"),
    *from_tables([{"path": '/q"\\uä', "pools": {"legacy": 0.5, "modern": 1}, "header": ["A: b"], "sticky": "none"}]),
)


def test_toml_reads_back_the_same() -> None:
    assert from_tables(tomllib.loads(to_toml(ROUTES))["routes"]) == ROUTES
    assert from_tables(to_tables(ROUTES)) == ROUTES


def test_toml_is_what_one_would_write() -> None:
    assert to_toml([parse_route("/*=legacy:90,modern:10")]) == (
        '[[routes]]\npath = "/*"\npools = { legacy = 90, modern = 10 }\n'
    )


def test_route_of_the_same_pattern_is_replaced_and_another_added() -> None:
    changed = with_route(ROUTES, parse_route("/*=legacy:50,modern:50"))
    assert str(changed[0]) == "/*=legacy:50,modern:50"
    assert len(changed) == len(ROUTES)
    assert len(with_route(ROUTES, parse_route("/new=modern"))) == len(ROUTES) + 1


def test_promoted_pool_gets_all() -> None:
    (route, *_) = promoted(ROUTES, parse_pattern("/*", "promote"), "modern")
    assert (route.weight_of("modern"), route.weight_of("legacy")) == (100, 0)
    with pytest.raises(SettingsError, match="there is no such route"):
        promoted(ROUTES, parse_pattern("/other", "promote"), "modern")


def test_pool_that_failed_loses_its_weight_everywhere() -> None:
    changed = without_pool(ROUTES, "modern", instead="legacy")
    assert [route.weight_of("modern") for route in changed] == [0, 0, 0]
    assert [route.weight_of("legacy") for route in changed] == [90, 100, 0.5]
