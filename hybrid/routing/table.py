"""The routes compiled: which pool answers a request. Called once a request, in whichever worker has it.

Exact paths are in a dictionary; the others are looked up by their first segment, and those of one segment are one
regular expression, most specific first, which tells the first that matches. Only where that route also asks for
a host, method or header field and does not get it are the following tried one by one.

A table never changes. To change routes, a new one with a higher version takes its place in the Router, which is one
assignment: a request sees the old routes or the new ones, never some of each.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from hybrid.errors import ProtocolError
from hybrid.routing.pattern import EVERYTHING, Pattern
from hybrid.routing.routes import Route, Share, check_routes

if TYPE_CHECKING:
    from hybrid.http.request import Request

COOKIE = b"hybrid_pool"
FORCE = b"x-hybrid-pool"


class Choice(NamedTuple):
    """The pool for one request, the route that said so, and the Set-Cookie value that the response needs, or b""."""

    pool: str
    route: Route
    set_cookie: bytes = b""


class _Target:
    """One route, ready for use."""

    __slots__ = ("choices", "fixed", "headers", "host", "is_plain", "methods", "regex", "route", "upgraded")

    def __init__(self, route: Route, shares: tuple[Share, ...], upgraded: tuple[Share, ...]) -> None:
        pattern = route.pattern
        self.route = route
        self.regex = re.compile(pattern.expression(), re.DOTALL)
        self.is_plain = not pattern.has_conditions
        self.methods = pattern.methods
        self.host = pattern.host.encode()
        self.headers = [(name.encode(), value.encode()) for name, value in pattern.headers]
        self.choices = _Draw(route, shares)
        self.fixed = self.choices.only
        self.upgraded = _Draw(route, upgraded)

    def accepts(self, request: Request) -> bool:
        """Does the request meet the conditions other than the path?"""
        if self.methods and request.method not in self.methods:
            return False
        if self.host and not _is_host(_without_port(request.host), self.host):
            return False
        return all(
            any(field == name and (not value or found == value) for field, found in request.headers)
            for name, value in self.headers
        )


class _Draw:
    """The pools of one route with their cumulated weights, as parts of 1."""

    __slots__ = ("bounds", "by_name", "fresh", "only", "rivals", "route")

    def __init__(self, route: Route, shares: Iterable[Share]) -> None:
        live = [share for share in shares if share.weight]
        total = sum(share.weight for share in live)
        self.route = route
        self.by_name = {share.pool.encode(): Choice(share.pool, route) for share in live}
        self.only = next(iter(self.by_name.values())) if len(live) == 1 else None
        self.bounds: list[tuple[float, bytes]] = []
        reached = 0.0
        for share in live:
            reached += share.weight / total
            self.bounds.append((reached, share.pool.encode()))
        self.rivals = frozenset(share.pool.encode() for share in route.shares)
        # For those who come with no cookie of ours, as most do who are drawn.
        self.fresh = {name: self.bound(name, ()) for name in self.by_name}

    def bound(self, name: bytes, kept: Iterable[bytes]) -> Choice:
        """This pool, with the cookie that binds to it; `kept` are the pools of other routes that bind already."""
        choice = self.by_name[name]
        cookie = COOKIE + b"=" + b".".join([name, *kept]) + b"; Path=/; HttpOnly; SameSite=Lax"
        return Choice(choice.pool, choice.route, cookie)

    def at(self, point: float) -> bytes:
        """The pool at this point, 0 <= point < 1."""
        for bound, pool in self.bounds:
            if point < bound:
                return pool
        return self.bounds[-1][1]


class RouteTable:
    """Routes for these pools. `pools` says of each whether it serves WebSocket; the first is where the rest goes.

    An upgrade to WebSocket goes to those pools of its route that serve it; if there is none of them, to the first
    pool that does. Raises SettingsError for routes that do not hold together.
    """

    def __init__(self, routes: Iterable[Route], pools: Mapping[str, bool], *, version: int = 0) -> None:
        self.routes = tuple(routes)
        self.version = version
        check_routes(self.routes, pools)
        self._pools = {name.encode(): Choice(name, _rest(name)) for name in pools}
        able = [name for name, serves in pools.items() if serves]
        default = _rest(next(iter(pools)))
        ordered = sorted(self.routes, key=lambda route: route.pattern.specificity(), reverse=True)
        targets = [_target(route, pools, able) for route in (*ordered, default)]
        self._by_path: dict[bytes, list[_Target]] = {}
        for target in targets:
            if target.route.pattern.is_exact:
                self._by_path[target.route.pattern.path.encode()] = []
        for path, found in self._by_path.items():
            found += [target for target in targets if target.regex.fullmatch(path)]
        inexact = [target for target in targets if not target.route.pattern.is_exact]
        segments = {target.route.pattern.first_segment() for target in inexact} - {None}
        self._by_segment = {
            segment: _Bucket([t for t in inexact if t.route.pattern.first_segment() in (segment, None)])
            for segment in segments
        }
        self._elsewhere = _Bucket([target for target in inexact if target.route.pattern.first_segment() is None])

    def choose(
        self, request: Request, *, is_trusted: bool = False, draw: Callable[[], float] = random.random
    ) -> Choice:
        """The pool for this request. `is_trusted`: the peer may force one with X-Hybrid-Pool.

        Raises ProtocolError(400) where a trusted peer asks for a pool that does not exist.
        """
        if is_trusted and (forced := self._forced(request)) is not None:
            return forced
        target = self._find(request)
        if request.upgrade == b"websocket":
            return target.upgraded.only or _drawn(target.upgraded, request, draw, self._pools)
        return target.fixed or _drawn(target.choices, request, draw, self._pools)

    def _find(self, request: Request) -> _Target:
        path = request.path
        if 37 in path:  # "%"; b"%" would be tried as a number first, which raises
            path = unquote_to_bytes(path)
        exact = self._by_path.get(path)
        if exact is not None:
            for target in exact:
                if target.is_plain or target.accepts(request):
                    return target
        end = path.find(b"/", 1)
        bucket = self._by_segment.get(path[1:end] if end > 0 else path[1:], self._elsewhere)
        found = bucket.match(path)
        assert found is not None  # the last route matches everything
        place = found.lastindex or 1
        target = bucket.targets[place - 1]
        if target.is_plain or target.accepts(request):
            return target
        for target in bucket.targets[place:]:
            if target.regex.fullmatch(path) and target.accepts(request):
                return target
        raise AssertionError("the last route has no conditions")

    def _forced(self, request: Request) -> Choice | None:
        for name, value in request.headers:
            if name == FORCE:
                found = self._pools.get(value)
                if found is None:
                    raise ProtocolError(400, "X-Hybrid-Pool names a pool that does not exist")
                return found
        return None


class _Bucket:
    """Targets in order, and one expression whose n-th group is the n-th target."""

    __slots__ = ("match", "targets")

    def __init__(self, targets: list[_Target]) -> None:
        self.targets = targets
        expressions = (target.route.pattern.expression() for target in targets)
        self.match = re.compile(b"|".join(b"(" + one + b")" for one in expressions), re.DOTALL).fullmatch


class Router:
    """Where a worker has its current table. One per worker; another thread may replace the table at any time."""

    __slots__ = ("table",)

    def __init__(self, table: RouteTable) -> None:
        self.table = table

    def replace(self, table: RouteTable) -> bool:
        """Use this one from the next request on, if it is newer; was it?"""
        if table.version <= self.table.version:
            return False
        self.table = table
        return True


def _rest(pool: str) -> Route:
    return Route(Pattern(EVERYTHING), (Share(pool, 1.0),))


def _target(route: Route, pools: Mapping[str, bool], able: list[str]) -> _Target:
    upgraded = tuple(share for share in route.shares if pools[share.pool] and share.weight)
    if not upgraded:
        upgraded = (Share(able[0], 1.0),) if able else route.shares
    return _Target(route, route.shares, upgraded)


def _drawn(draw_from: _Draw, request: Request, draw: Callable[[], float], pools: Mapping[bytes, Choice]) -> Choice:
    """One of several pools, by weight. Whom the cookie or the address has bound to one that has weight stays there."""
    sticky = draw_from.route.sticky
    if sticky == "none":
        return draw_from.by_name[draw_from.at(draw())]
    if sticky == "client":
        return draw_from.by_name[draw_from.at(_point_of(request.client))]
    bound = _bound_pools(request.headers)
    if not bound:
        return draw_from.fresh[draw_from.at(draw())]
    for name in bound:
        if name in draw_from.by_name:
            return draw_from.by_name[name]
    # Routes with other pools have bound this user too: one cookie keeps one pool of each route.
    kept = [name for name in dict.fromkeys(bound) if name in pools and name not in draw_from.rivals]
    return draw_from.bound(draw_from.at(draw()), kept)


def _bound_pools(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The pools in the cookie, in its order."""
    for name, value in headers:
        if name != b"cookie":
            continue
        start = value.find(_CRUMB)
        while start > 0 and value[start - 1] not in b"; \t":
            start = value.find(_CRUMB, start + 1)  # it was the end of another cookie's name, or in its value
        if start >= 0:
            end = value.find(b";", start)
            return value[start + len(_CRUMB) : end if end >= 0 else None].strip(b' \t"').split(b".")
    return []


_CRUMB = COOKIE + b"="


def _point_of(client: tuple[str, int] | None) -> float:
    """Where this client stands between 0 and 1: the same in every worker and after every restart.

    An IPv6 client changes its address within its /64 as it likes, so that only that half counts.
    """
    host = client[0] if client else ""
    if ":" in host:
        from ipaddress import IPv6Address

        try:
            address = IPv6Address(host.partition("%")[0])
            mapped = address.ipv4_mapped
            host = str(mapped) if mapped is not None else address.packed[:8].hex()
        except ValueError:
            pass  # not an address: then its text is as good
    return (int.from_bytes(blake2b(host.encode(), digest_size=8).digest(), "big") >> 11) / (1 << 53)


def _without_port(host: bytes | None) -> bytes:
    if not host:
        return b""
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].lower().rstrip(b".")


def _is_host(host: bytes, wanted: bytes) -> bool:
    if wanted.startswith(b"*."):
        return host.endswith(wanted[1:]) and len(host) > len(wanted) - 1
    return host == wanted
