"""Which pool a request goes to."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from hybrid.errors import ProtocolError
from hybrid.http.request import Request
from hybrid.routing import Router, RouteTable, from_tables, parse_route

POOLS = {"legacy": False, "modern": True, "other": False}


def request(
    path: bytes = b"/",
    method: str = "GET",
    *,
    host: bytes | None = b"example.com",
    upgrade: bytes = b"",
    **headers: bytes,
) -> Request:
    made = Request()
    made.method, made.path, made.host, made.upgrade = method, path, host, upgrade
    made.headers = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    made.client = ("192.0.2.1", 4711)
    return made


def with_cookie(value: bytes, path: bytes = b"/") -> Request:
    made = request(path)
    made.headers.append((b"cookie", value))
    return made


def table(*routes: str, version: int = 0) -> RouteTable:
    return RouteTable([parse_route(route) for route in routes], POOLS, version=version)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/login", [b"/login"], [b"/login/", b"/loginx", b"/"]),
        ("/api/*", [b"/api", b"/api/", b"/api/a/b", b"/%61pi/x", b"/api%2Fx", b"/api/a\nb"], [b"/apix", b"/"]),
        ("/api*", [b"/api", b"/apix"], [b"/api/x"]),
        ("/users/*/posts", [b"/users/1/posts", b"/users//posts"], [b"/users/1/2/posts", b"/users/posts"]),
        ("/users/*/posts/*", [b"/users/1/posts", b"/users/1/posts/2/3"], [b"/users/1/2/posts"]),
        ("/files/**.pdf", [b"/files/a/b.pdf", b"/files/.pdf"], [b"/files/a/b.pdfx", b"/files/apdf"]),
        ("/*/admin", [b"/de/admin"], [b"/admin", b"/de/x/admin"]),
        ("/caf\u00e9/*", ["/caf\u00e9/1".encode(), b"/caf%C3%A9/1"], [b"/caf\xe9/1"]),
        ("/a.b/*", [b"/a.b/"], [b"/aXb/"]),
    ],
)  # fmt: skip
def test_path(pattern: str, matching: list[bytes], others: list[bytes]) -> None:
    routes = table(f"{pattern}=modern")
    assert [path for path in matching if routes.choose(request(path)).pool != "modern"] == []
    assert [path for path in others if routes.choose(request(path)).pool != "legacy"] == []


def test_everything_is_also_the_asterisk_form() -> None:
    assert table("/*=modern").choose(request(b"*", "OPTIONS")).pool == "modern"
    assert table().choose(request(b"*", "OPTIONS")).pool == "legacy"


@pytest.mark.parametrize(
    ("path", "method", "host", "pool"),
    [
        (b"/api/v2/x", "GET", b"example.com", "modern"),
        (b"/api/v1/x", "GET", b"example.com", "other"),
        (b"/api/v1/x", "POST", b"example.com", "legacy"),
        (b"/api/exact", "GET", b"example.com", "modern"),
        (b"/api/exact", "POST", b"example.com", "legacy"),
        (b"/x", "GET", b"example.com", "other"),
        (b"/api/v2/x", "POST", b"api.example.com:8000", "legacy"),
        (b"/api/v2/x", "POST", b"API.Example.com.", "legacy"),
        (b"/api/v2/x", "POST", b"sub.api.example.com", "modern"),
    ],
)
def test_most_specific_first(path: bytes, method: str, host: bytes, pool: str) -> None:
    routes = table(
        "*=other",
        "/api/*=legacy",
        "/api/v2/*=modern",
        "GET /api/*=other",
        "GET /api/exact=modern",
        "api.example.com/*=legacy",
    )
    assert routes.choose(request(path, method, host=host)).pool == pool


def test_wildcard_host_is_less_than_an_exact_one_and_not_the_domain_itself() -> None:
    routes = table("*.example.com/*=modern", "api.example.com/*=other")
    hosts = (b"a.example.com", b"api.example.com", b"example.com")
    assert [routes.choose(request(host=host)).pool for host in hosts] == ["modern", "other", "legacy"]
    assert routes.choose(request(host=None)).pool == "legacy"


def test_header_field() -> None:
    routes = RouteTable(
        from_tables([
            {"pools": "modern", "header": "X-Beta: 1"},
            {"pools": "other", "header": "X-Beta"},
        ]),
        POOLS,
    )  # fmt: skip
    assert routes.choose(request(x_beta=b"1")).pool == "modern"
    assert routes.choose(request(x_beta=b"2")).pool == "other"
    assert routes.choose(request()).pool == "legacy"


def test_what_no_route_is_for_goes_to_the_first_pool() -> None:
    assert table("/api/*=modern").choose(request(b"/x")).pool == "legacy"


# -- WebSocket -------------------------------------------------------------------------------------


def test_websocket_goes_to_a_pool_that_serves_it() -> None:
    upgrade = request(b"/chat", upgrade=b"websocket")
    assert table("/chat=legacy").choose(upgrade).pool == "modern"
    assert table("/chat=legacy:99,modern:1").choose(upgrade).pool == "modern"
    assert table().choose(upgrade).pool == "modern"
    assert table().choose(request(b"/chat", upgrade=b"h2c")).pool == "legacy"


def test_websocket_without_a_pool_for_it_goes_where_its_route_says() -> None:
    routes = RouteTable([parse_route("/chat=other")], {"legacy": False, "other": False})
    assert routes.choose(request(b"/chat", upgrade=b"websocket")).pool == "other"


# -- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["legacy:90,modern:10", "legacy:1,modern:1,other:1", "legacy:999,modern:1"])
@pytest.mark.parametrize("sticky", ["cookie", "none", "client"])
def test_share_is_the_weight_within_three_sigma(weights: str, sticky: Any) -> None:
    (route,) = from_tables([{"pools": weights, "sticky": sticky}])
    routes = RouteTable([route], POOLS)
    draws, draw = 100_000, random.Random(20).random
    counts = dict.fromkeys(POOLS, 0)
    asked = request()
    for number in range(draws):
        asked.client = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)
        counts[routes.choose(asked, draw=draw).pool] += 1
    total = sum(share.weight for share in route.shares)
    for share in route.shares:
        part = share.weight / total
        sigma = math.sqrt(draws * part * (1 - part))
        assert abs(counts[share.pool] - draws * part) <= 3 * sigma, (share, counts)


def test_first_draw_sets_the_cookie_and_the_cookie_binds() -> None:
    routes = table("/*=legacy:50,modern:50")
    first = routes.choose(request(), draw=lambda: 0.7)
    assert first.pool == "modern"
    assert first.set_cookie == b"hybrid_pool=modern; Path=/; HttpOnly; SameSite=Lax"
    again = routes.choose(with_cookie(b"a=b; hybrid_pool=modern; c=d"), draw=lambda: 0.2)
    assert (again.pool, again.set_cookie) == ("modern", b"")


@pytest.mark.parametrize(
    "cookie", [b"xhybrid_pool=modern", b"hybrid_pool=", b"hybrid_pool=gone", b"hybrid_pool", b"a=hybrid_pool=modern"]
)
def test_cookie_that_binds_to_nothing_is_drawn_anew(cookie: bytes) -> None:
    choice = table("/*=legacy:50,modern:50").choose(with_cookie(cookie), draw=lambda: 0.2)
    assert choice.pool == "legacy"
    assert choice.set_cookie.startswith(b"hybrid_pool=legacy;")


def test_pool_that_lost_its_weight_loses_its_users_at_once() -> None:
    choice = table("/*=legacy:50,other:50,modern:0").choose(with_cookie(b"hybrid_pool=modern"), draw=lambda: 0.0)
    assert choice.pool == "legacy"
    assert choice.set_cookie.startswith(b"hybrid_pool=legacy;")


def test_one_live_pool_needs_no_cookie() -> None:
    assert table("/*=legacy:0,modern:100").choose(request()).set_cookie == b""


def test_routes_with_other_pools_keep_their_binding() -> None:
    pools = {"a": False, "b": False, "c": False, "d": False}
    routes = RouteTable([parse_route("/x=a:1,b:1"), parse_route("/y=c:1,d:1")], pools)
    choice = routes.choose(with_cookie(b"hybrid_pool=b", b"/y"), draw=lambda: 0.9)
    assert choice.set_cookie.startswith(b"hybrid_pool=d.b;")
    assert routes.choose(with_cookie(b"hybrid_pool=d.b", b"/x"), draw=lambda: 0.0).pool == "b"
    assert routes.choose(with_cookie(b"hybrid_pool=d.b", b"/y"), draw=lambda: 0.0).pool == "d"


def test_client_keeps_its_pool_whatever_its_port_or_interface_identifier() -> None:
    (route,) = from_tables([{"pools": {"legacy": 1, "modern": 1}, "sticky": "client"}])
    routes = RouteTable([route], POOLS)

    def pools_of(*hosts: str) -> set[str]:
        found = set()
        for port, host in enumerate(hosts, 1):
            asked = request()
            asked.client = (host, port)
            found.add(routes.choose(asked).pool)
        return found

    assert len(pools_of("192.0.2.9", "192.0.2.9", "::ffff:192.0.2.9")) == 1
    assert len(pools_of(*(f"2001:db8::{number:x}" for number in range(1, 50)))) == 1
    assert len(pools_of(*(f"192.0.2.{number}" for number in range(50)))) == 2
    unix = request()
    unix.client = None
    assert routes.choose(unix).pool in POOLS


# -- forced by a proxy -----------------------------------------------------------------------------


def test_trusted_peer_forces_a_pool() -> None:
    asked = request(x_hybrid_pool=b"other")
    assert table("/*=legacy").choose(asked, is_trusted=True).pool == "other"
    assert table("/*=legacy").choose(asked).pool == "legacy"
    with pytest.raises(ProtocolError, match="400"):
        table().choose(request(x_hybrid_pool=b"gone"), is_trusted=True)


# -- replacing -------------------------------------------------------------------------------------


def test_only_a_newer_table_takes_the_place() -> None:
    router = Router(table(version=3))
    assert not router.replace(table("/*=modern", version=3))
    assert not router.replace(table("/*=modern", version=2))
    assert router.table.choose(request()).pool == "legacy"
    assert router.replace(table("/*=modern", version=4))
    assert router.table.choose(request()).pool == "modern"
