"""What a worker needs to give connections to other workers, and to take theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hybrid.contract.pool_page import PoolPage
from hybrid.contract.queue import Queue
from hybrid.contract.traffic import TrafficRow


@dataclass(slots=True)
class Crossing:
    """Made by the arbiter, one for each child; what it refers to is shared by all."""

    pool: str
    """The worker's own."""
    queues: Mapping[str, Queue]
    """Of every pool, by name, in the order in which `page` counts them."""
    page: PoolPage
    is_routing: bool = False
    """Requests may belong to another pool; else connections are only passed on between siblings."""
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    """Which pool serves instead of one that cannot."""
    timeout: float = 5.0
    """How long a connection may wait in a queue."""
    traffic: TrafficRow | None = None
    shadow: Any = None
    """What copies of requests are wanted; None for none."""

    @property
    def own(self) -> Queue:
        return self.queues[self.pool]

    def ready(self, pool: str) -> int:
        """How many workers of a pool are ready."""
        return self.page.ready(self.names.index(pool))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.queues)
