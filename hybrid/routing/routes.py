"""A route: requests of one pattern go to one pool, or to several by weight. Here: read, changed and printed.

--route '/api/*=modern:10,legacy:90'

[[routes]]
path = "/api/*"
pools = { modern = 10, legacy = 90 }
sticky = "cookie"            # or "client", "none"
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from hybrid.errors import SettingsError
from hybrid.routing.pattern import Pattern, make_pattern, parse_pattern

Sticky: TypeAlias = Literal["cookie", "client", "none"]

POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""Pool names are in cookies and file names, hence nothing that needs quoting in either."""

_KEYS = ("path", "host", "methods", "header", "pools", "pool", "sticky")


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a route's requests that one pool gets: `weight` in proportion to the sum of weights."""

    pool: str
    weight: float


@dataclass(frozen=True, slots=True)
class Route:
    pattern: Pattern
    shares: tuple[Share, ...]
    sticky: Sticky = "cookie"

    def weight_of(self, pool: str) -> float:
        return next((share.weight for share in self.shares if share.pool == pool), 0.0)

    def __str__(self) -> str:
        """As `--route` takes it, apart from header fields, which it does not."""
        if len(self.shares) == 1:
            return f"{self.pattern}={self.shares[0].pool}"
        return f"{self.pattern}=" + ",".join(f"{share.pool}:{number(share.weight)}" for share in self.shares)


def number(weight: float) -> str:
    return str(int(weight)) if weight == int(weight) else repr(weight)


# -- reading ---------------------------------------------------------------------------------------


def parse_route(text: str, where: str = "--route") -> Route:
    """From `PATTERN=POOL[:WEIGHT][,POOL:WEIGHT]`. Raises SettingsError."""
    pattern, equals, pools = text.rpartition("=")
    if not equals or not pattern.strip():
        raise SettingsError(f"{where} {text!r}: found no pool, expected PATTERN=POOL[:WEIGHT], such as '/api/*=modern'")
    where = f"{where} {text!r}"
    found: list[tuple[str, object]] = []
    for item in pools.split(","):
        name, colon, weight = item.strip().partition(":")
        found.append((name.strip(), weight.strip() if colon else None))
    return Route(parse_pattern(pattern, where), _shares(found, where))


def from_tables(tables: Iterable[Mapping[str, object]], where: str = "[[routes]]") -> tuple[Route, ...]:
    """Routes from the tables of a file, or from `to_tables`. Raises SettingsError."""
    return tuple(from_table(table, f"{where} {index}") for index, table in enumerate(tables, 1))


def from_table(table: Mapping[str, object], where: str) -> Route:
    """One route. `where` begins the messages. Raises SettingsError."""
    for key in table:
        if key not in _KEYS:
            raise SettingsError(f"{where}: there is no key {key!r}; there are {', '.join(_KEYS)}")
    path = table.get("path", "*")
    pools = table.get("pools", table.get("pool"))
    host = table.get("host", "")
    sticky = table.get("sticky", "cookie")
    if not isinstance(path, str) or not isinstance(host, str):
        raise SettingsError(f'{where}: path and host are text, such as path = "/api/*"')
    if sticky not in get_args(Sticky):
        raise SettingsError(f"{where}: sticky: found {sticky!r}, expected one of {', '.join(get_args(Sticky))}")
    if isinstance(pools, str):
        shares = parse_route(f"/={pools}", where).shares
    elif isinstance(pools, Mapping):
        shares = _shares([(str(name), weight) for name, weight in pools.items()], where)
    else:
        raise SettingsError(
            f"{where}: pools: found {pools!r}, expected a name or a table, such as {{ modern = 10, legacy = 90 }}"
        )
    methods, headers = _texts(table, "methods", where), _texts(table, "header", where)
    return Route(make_pattern(where, path, host=host, methods=methods, headers=headers), shares, sticky)  # type: ignore[arg-type]  # one of the literals, just tested


def _texts(table: Mapping[str, object], key: str, where: str) -> list[str]:
    value = table.get(key, [])
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise SettingsError(f"{where}: {key}: found {value!r}, expected text or a list of texts")
    return list(items)


def _shares(items: Sequence[tuple[str, object]], where: str) -> tuple[Share, ...]:
    weighted = [weight is not None for _, weight in items]
    if any(weighted) and not all(weighted):
        raise SettingsError(f"{where}: some pools have a weight and some have none; give one to each, or to none")
    shares: list[Share] = []
    for name, weight in items:
        if not POOL_NAME.fullmatch(name):
            raise SettingsError(
                f"{where}: {name[:80]!r} is no name of a pool; expected up to 32 letters, digits, - and _"
            )
        if any(share.pool == name for share in shares):
            raise SettingsError(f"{where}: pool {name} is there twice; add its weights up")
        shares.append(Share(name, 1.0 if weight is None else _weight(weight, name, where)))
    if not any(share.weight for share in shares):
        raise SettingsError(f"{where}: all weights are 0; give one pool a weight")
    return tuple(shares)


def _weight(value: object, pool: str, where: str) -> float:
    try:
        weight = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        weight = math.nan
    if not 0 <= weight <= 1_000_000:
        raise SettingsError(f"{where}: weight of pool {pool}: found {value!r}, expected a number from 0 to 1000000")
    return weight


def check_routes(routes: Iterable[Route], pools: Collection[str]) -> None:
    """Raises SettingsError for a pool that is not among these, and for a pattern that is there twice."""
    seen: dict[Pattern, Route] = {}
    for route in routes:
        for share in route.shares:
            if share.pool not in pools:
                raise SettingsError(
                    f"route {route}: there is no pool {share.pool!r}; there are {', '.join(pools)};"
                    f" add one with --pool {share.pool}=APP"
                )
        if route.pattern in seen:
            raise SettingsError(
                f"route {route}: {route.pattern} has a route already, {seen[route.pattern]}; remove one, or put both"
                " into one with weights"
            )
        seen[route.pattern] = route


# -- changing --------------------------------------------------------------------------------------


def with_route(routes: Sequence[Route], new: Route) -> tuple[Route, ...]:
    """The same with this one in the place of the route of its pattern, or added."""
    if any(route.pattern == new.pattern for route in routes):
        return tuple(new if route.pattern == new.pattern else route for route in routes)
    return (*routes, new)


def promoted(routes: Sequence[Route], pattern: Pattern, pool: str) -> tuple[Route, ...]:
    """The same with all requests of this pattern going to this pool; the others stay in the route with weight 0.

    Raises SettingsError if there is no such route.
    """
    found = next((route for route in routes if route.pattern == pattern), None)
    if found is None:
        known = ", ".join(str(route.pattern) for route in routes) or "none"
        raise SettingsError(f"promote {pattern}: there is no such route; there are: {known}")
    shares = tuple(Share(share.pool, 0.0) for share in found.shares if share.pool != pool)
    return with_route(routes, replace(found, shares=(*shares, Share(pool, 100.0))))


def without_pool(routes: Sequence[Route], pool: str, instead: str) -> tuple[Route, ...]:
    """The same with weight 0 for one pool wherever it is. Where no other pool is left, `instead` gets the requests."""
    return tuple(route if not route.weight_of(pool) else _without(route, pool, instead) for route in routes)


def lost_weight(routes: Sequence[Route], pattern: Pattern, pool: str, instead: str) -> tuple[Route, ...]:
    """The same with weight 0 for one pool in one route; `instead` gets the requests if no other pool is left there."""
    return tuple(_without(route, pool, instead) if route.pattern == pattern else route for route in routes)


def _without(route: Route, pool: str, instead: str) -> Route:
    shares = [Share(share.pool, 0.0 if share.pool == pool else share.weight) for share in route.shares]
    if not any(share.weight for share in shares):
        shares = [share for share in shares if share.pool != instead] + [Share(instead, 100.0)]
    return replace(route, shares=tuple(shares))


# -- printing --------------------------------------------------------------------------------------


def to_tables(routes: Iterable[Route]) -> list[dict[str, object]]:
    """As `from_tables` takes them; only values that JSON and TOML have."""
    tables = []
    for route in routes:
        pattern = route.pattern
        table: dict[str, object] = {"path": pattern.path}
        if pattern.host:
            table["host"] = pattern.host
        if pattern.methods:
            table["methods"] = sorted(pattern.methods)
        if pattern.headers:
            table["header"] = [f"{name}: {value}" if value else name for name, value in pattern.headers]
        table["pools"] = {
            share.pool: int(share.weight) if share.weight == int(share.weight) else share.weight
            for share in route.shares
        }
        if route.sticky != "cookie":
            table["sticky"] = route.sticky
        tables.append(table)
    return tables


def to_toml(routes: Iterable[Route]) -> str:
    """The lines for hybrid.toml, to commit."""
    lines: list[str] = []
    for table in to_tables(routes):
        lines.append("[[routes]]")
        for key, value in table.items():
            if isinstance(value, dict):
                value = "{ " + ", ".join(f"{name} = {weight}" for name, weight in value.items()) + " }"
                lines.append(f"{key} = {value}")
            else:
                # JSON's strings and lists are TOML's, apart from DEL, which no printable path has
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)
