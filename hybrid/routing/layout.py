"""From the settings to the pools and routes that they ask for. Pure; called by the arbiter, `check` and `config`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from hybrid.errors import SettingsError
from hybrid.routing.fuse import Limit, parse_fuse
from hybrid.routing.pools import Pool, PoolText, decide_pools, parse_pool, pools_from_table, refuse_tls
from hybrid.routing.routes import Route, check_routes, from_table, parse_route
from hybrid.routing.shadow import ShadowRule, read_shadow
from hybrid.settings import Settings
from hybrid.settings.cpus import usable_cpus
from hybrid.settings.kinds import Opaque

MOST_POOLS = 32
"""Each has a queue that every worker holds both ends of."""

SHADOW = "shadow"
"""The pool of the one worker that sends copies of requests and compares the answers."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The pools, the first of them the default, and the routes between them."""

    pools: tuple[Pool, ...]
    routes: tuple[Route, ...] = ()
    shadow: tuple[ShadowRule, ...] = ()
    fuse: tuple[Limit, ...] = ()

    def names(self) -> tuple[str, ...]:
        return tuple(pool.name for pool in self.pools)


def lay_out(settings: Settings, cpus: Callable[[], int] = usable_cpus) -> Layout:
    """Raises SettingsError for pools and routes that cannot be, or not together."""
    pools = decide_pools(settings, _pools(settings), cpus)
    if len(pools) > MOST_POOLS:
        raise SettingsError(f"setting pools: found {len(pools)} pools, expected {MOST_POOLS} at most")
    if settings.shadow and any(pool.name == SHADOW for pool in pools):
        raise SettingsError(f"setting pools: {SHADOW} is the pool of --shadow itself; choose another name")
    routes = read_routes(_items(settings.routes), settings.config)
    check_routes(routes, [pool.name for pool in pools])
    refuse_tls(pools, routes)
    return Layout(pools, routes, shadow_rules(settings, [pool.name for pool in pools]), fuse_limits(settings))


def shadow_rules(settings: Settings, pools: Sequence[str]) -> tuple[ShadowRule, ...]:
    """Raises SettingsError."""
    return read_shadow(_items(settings.shadow), pools, settings.config)


def fuse_limits(settings: Settings) -> tuple[Limit, ...]:
    """Raises SettingsError."""
    if not settings.fuse:
        return ()
    if not settings.fuse_window:
        raise SettingsError("setting fuse_window: found 0, expected the seconds that --fuse looks at, such as 30")
    return parse_fuse(settings.fuse)


def read_routes(items: Iterable[object], file: str = "") -> tuple[Route, ...]:
    """Routes as they were written: a text as --route takes it, or a table of `file`. Raises SettingsError."""
    routes: list[Route] = []
    for number, item in enumerate(items, 1):
        if isinstance(item, str):
            routes.append(parse_route(item))
        else:
            routes.append(from_table(cast("Mapping[str, object]", item), f"{file} [[routes]] {number}".strip()))
    return tuple(routes)


def _pools(settings: Settings) -> list[PoolText]:
    found: list[PoolText] = []
    for item in _items(settings.pools):
        if isinstance(item, str):
            found.append(parse_pool(item))
        else:
            found += pools_from_table(cast("Mapping[str, object]", item), settings.config)
    return found


def _items(value: Opaque) -> tuple[object, ...]:
    return cast("tuple[object, ...]", value.value) if value else ()
