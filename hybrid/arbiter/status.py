"""What `hybrid status` says: the arbiter's state and the scoreboard's numbers as one JSON object. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from hybrid.arbiter.state import NEVER, Child, Phase, Pool, Stage, State
from hybrid.contract.scoreboard import InFlight
from hybrid.settings import Settings

_REQUESTS_SHOWN = 16


class Counters(NamedTuple):
    """One worker's row, and what the kernel says of its process."""

    started: float = 0.0
    requests: int = 0
    errors: int = 0
    shed: int = 0
    active: int = 0
    connections: int = 0
    capacity: int = 0
    loop_lag_s: float = 0.0
    rss_bytes: int = 0
    in_flight: Sequence[InFlight] = ()


def describe(
    state: State,
    counters: Mapping[int, Counters],
    now: float,
    *,
    deaths: Sequence[Mapping[str, object]] = (),
    sites: Mapping[str, Settings] = MappingProxyType({}),
    **facts: object,
) -> dict[str, object]:
    """The whole of it; `counters` by pid, `sites` are the pools' settings by name, `facts` are the shell's own."""
    return {
        **facts,
        "phase": state.phase.name.lower(),
        "generation": max((pool.good for pool in state.pools.values()), default=NEVER),
        "reloading": None if state.trial == NEVER else state.trial,
        "pools": [_pool(state, pool, sites.get(pool.name), counters, now) for pool in state.pools.values()],
        "workers": [
            _worker(child, counters.get(child.pid), now) for _, child in sorted(state.children.items()) if child.pid
        ],
        "deaths": list(deaths),
    }


def _pool(
    state: State, pool: Pool, settings: Settings | None, counters: Mapping[int, Counters], now: float
) -> dict[str, object]:
    children = state.of_pool(pool.name)
    ready = sum(child.stage is Stage.READY for child in children)
    return {
        "name": pool.name,
        "app": settings.app if settings is not None else "",
        "worker_class": settings.worker_class if settings is not None else "",
        "size": pool.size,
        "ready": ready,
        "booting": sum(child.stage in (Stage.SPAWNING, Stage.BOOTING) for child in children),
        "draining": sum(child.stage is Stage.DRAINING for child in children),
        "generation": pool.serving,
        "shed": sum(counters[child.pid].shed for child in children if child.pid in counters),
        "state": _condition(state, pool, ready),
        "deaths_in_a_row": pool.backoff.deaths,
        "next_spawn_in_s": round(max(0.0, pool.backoff.until - now), 3),
    }


def _condition(state: State, pool: Pool, ready: int) -> str:
    if state.phase is not Phase.RUNNING:
        return "stopping"
    if pool.is_on_trial:
        return "reloading"
    if pool.is_degraded and ready:
        return "degraded"
    return "serving" if ready >= pool.size else "degraded" if ready else "down"


def _worker(child: Child, row: Counters | None, now: float) -> dict[str, object]:
    row = row or Counters()
    requests = [
        {**request._asdict(), "age_s": round(max(0.0, now - request.started), 3)}
        for request in row.in_flight[:_REQUESTS_SHOWN]
    ]
    for request in requests:
        del request["started"]
    return {
        "pid": child.pid,
        "pool": child.pool,
        "slot": child.slot,
        "generation": child.generation,
        "stage": child.stage.value,
        "retiring": child.retire or child.why,
        "age_s": round(now - row.started, 3) if row.started else None,
        "beat_age_s": round(max(0.0, now - child.beat), 3),
        "requests": row.requests,
        "errors": row.errors,
        "shed": row.shed,
        "active": row.active,
        "capacity": row.capacity,
        "connections": row.connections,
        "loop_lag_s": round(row.loop_lag_s, 4),
        "rss_bytes": row.rss_bytes,
        "in_flight": requests,
    }
