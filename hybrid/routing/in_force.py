"""The text that the arbiter publishes for all workers: pools and routes as they are now, and back to a table of them.

    {"pools": [["legacy", 0, false], ["modern", 1, true]], "fallbacks": {"modern": "legacy"}, "routes": [...]}

The first pool is the default. A pool has its index in the pool page, and whether it serves WebSocket.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hybrid.routing.routes import Route, from_tables, to_tables
from hybrid.routing.table import RouteTable


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What a worker must know of another pool."""

    index: int
    """In the pool page."""
    serves_websocket: bool = False
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class InForce:
    """One version of it."""

    table: RouteTable
    pools: Mapping[str, PoolFacts]


def to_text(routes: Iterable[Route], pools: Mapping[str, PoolFacts]) -> bytes:
    """For the pool page."""
    document = {
        "pools": [[name, facts.index, facts.serves_websocket] for name, facts in pools.items()],
        "fallbacks": {name: facts.fallback for name, facts in pools.items() if facts.fallback},
        "routes": to_tables(routes),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_text(text: bytes, version: int) -> InForce:
    """As a worker uses it. The arbiter has checked what it published."""
    document = json.loads(text)
    fallbacks: Mapping[str, str] = document["fallbacks"]
    pools = {
        name: PoolFacts(index, bool(serves_websocket), fallbacks.get(name, ""))
        for name, index, serves_websocket in document["pools"]
    }
    able = {name: facts.serves_websocket for name, facts in pools.items()}
    return InForce(RouteTable(from_tables(document["routes"]), able, version=version), pools)
