"""What the pools share: a queue for each, and the page that says which can serve and which routes are in force.

Made when a release first needs it - several pools, routes, or siblings that can relieve each other - and then kept
for as long as the arbiter lives, across all generations. A pool keeps its index and its queue for good, also when it
is gone: connections may still be in there, and a pool of that name may come back.

The routes of a reload come into force when it has passed its trial. Workers of the release before may not have the
queues of pools that it brings; they go on with the routes that they have.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hybrid.arbiter.live_routes import RouteKeeper
from hybrid.arbiter.releases import Release
from hybrid.arbiter.state import NEVER, Phase, Stage, State
from hybrid.contract.pool_page import MOST_POOLS
from hybrid.errors import SettingsError
from hybrid.settings import Settings

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing
    from hybrid.contract.pool_page import PoolPage
    from hybrid.contract.queue import Queue
    from hybrid.contract.shadow import ShadowPart, ShadowQueue
    from hybrid.contract.traffic import TrafficPage, TrafficRow
    from hybrid.routing.live import LiveRoutes

_RELIEVING = ("auto", "sync", "gthread")
"""Worker classes with connections that a busy worker cannot get to."""


class Crossings:
    """One per arbiter. Costs nothing until `adopt` is given a release that needs it."""

    def __init__(self, log: logging.Logger, slots: int, say: Callable[[str], None]) -> None:
        """`slots` is the number of rows that a worker may have; `say` logs a line for those who follow the log."""
        self._slots = slots
        self._say = say
        self.routes = RouteKeeper(log)
        self._queues: dict[str, Queue] = {}
        self._page: PoolPage | None = None
        self.traffic: TrafficPage | None = None
        """What workers count by route and pool; None without routes."""
        self._websocket: dict[str, bool] = {}
        self._release: Release | None = None
        """Whose routes are in force."""
        self._published: object = None
        self._shadow: ShadowQueue | None = None

    def adopt(self, release: Release) -> None:
        """Make what this release's workers need.

        Raises SettingsError when there are too many pools, or the file of --routes-state cannot be used.
        """
        if not _needs(release):
            return
        from hybrid.contract.pool_page import PoolPage
        from hybrid.contract.queue import Queue

        fresh = [name for name in release.sites if name not in self._queues]
        if len(self._queues) + len(fresh) > MOST_POOLS:
            raise SettingsError(
                f"setting pools: with {', '.join(fresh)} there would be more than {MOST_POOLS} names of pools since"
                " this arbiter was started; restart it, or use earlier names"
            )
        if not release.is_single:
            self.routes.load(_state_path(release.settings))
        self._page = self._page or PoolPage()
        for name in fresh:
            self._queues[name] = Queue(release.settings.handoff_queue)
        if not release.is_single and self.traffic is None:
            from hybrid.contract.traffic import TrafficPage

            self.traffic = TrafficPage(self._slots)
        for name, site in release.sites.items():
            self._websocket.setdefault(name, site.settings.worker_class == "asgi")

    def crossing(self, release: Release, pool: str, slot: int) -> Crossing | None:
        """For the worker in this slot."""
        if self._page is None or not _needs(release):
            return None
        from hybrid.contract.crossing import Crossing

        return Crossing(
            pool=pool,
            queues=dict(self._queues),
            page=self._page,
            is_routing=not release.is_single,
            fallbacks={name: site.fallback for name, site in release.sites.items() if site.fallback},
            timeout=release.settings.handoff_timeout,
            traffic=self.row(slot),
            shadow=self._shadow_part(release),
        )

    def _shadow_part(self, release: Release) -> ShadowPart | None:
        """What copies of requests are wanted. The queue outlives the worker that reads it, and its release."""
        if not release.settings.shadow:
            return None
        from hybrid.contract.shadow import ShadowPart, ShadowQueue
        from hybrid.routing.layout import shadow_rules

        self._shadow = self._shadow or ShadowQueue()
        pools = [name for name, site in release.sites.items() if site.accepts]
        return ShadowPart(self._shadow, shadow_rules(release.settings, pools))

    def close(self) -> None:
        """Close the queues; what is in them is lost."""
        for queue in self._queues.values():
            queue.close()
        if self._shadow is not None:
            self._shadow.close()

    def row(self, slot: int) -> TrafficRow | None:
        """Where the worker in this slot counts."""
        return self.traffic.row(slot) if self.traffic is not None else None

    def heard(self, pool: str, *, serves_websocket: bool) -> None:
        """A worker of this pool is ready, and says whether it speaks WebSocket."""
        self._websocket[pool] = serves_websocket

    def observe(self, state: State, releases: Iterable[Release]) -> None:
        """Tell the workers what has changed: who is ready, and the routes of the release that serves."""
        if self._page is None:
            return
        if state.phase is not Phase.RUNNING:
            self._page.stop()
        for index, name in enumerate(self._queues):
            ready = sum(child.stage is Stage.READY for child in state.of_pool(name))
            self._page.note(index, ready=ready, serves_websocket=self._websocket.get(name, False))
        good = max((pool.good for pool in state.pools.values()), default=NEVER)
        serving = [release for release in releases if release.generation <= max(good, 0)]
        if serving:
            self._enforce(max(serving, key=lambda release: release.generation))

    @property
    def serving(self) -> Release | None:
        """The release whose routes are in force."""
        return self._release

    @property
    def version(self) -> int:
        """Of the routes that workers use."""
        return self._page.version if self._page is not None else 0

    def change(self, change: Callable[[LiveRoutes], LiveRoutes]) -> str:
        """Change the routes for all workers at once; what was done, as a line. Raises SettingsError."""

        def in_force(text: str) -> None:
            self._publish()
            self._say(text)

        return self.routes.apply(change, in_force)

    def _enforce(self, release: Release) -> None:
        if release is not self._release:
            self._release = release
            if not release.is_single or self.routes.live is not None:
                pools = [name for name, site in release.sites.items() if site.accepts]
                self.routes.configure(release.routes, pools, _state_path(release.settings))
        self._publish()

    def _publish(self) -> None:
        """Have all workers use the routes in force, if they do not yet.

        A single pool has none. What still runs then of several pools goes on with those that it has.
        """
        release = self._release
        if release is None or self._page is None or release.is_single:
            return
        now = (release.generation, self.routes.current, *self._websocket.values())
        if now == self._published:
            return
        from hybrid.routing.in_force import PoolFacts, to_text

        names = list(self._queues)
        pools = {
            name: PoolFacts(names.index(name), self._websocket[name], site.fallback)
            for name, site in release.sites.items()
            if site.accepts
        }
        self._published = now
        self._page.publish(to_text(self.routes.current, pools))


def _needs(release: Release) -> bool:
    return not release.is_single or any(_relieves(site.settings) for site in release.sites.values())


def _relieves(settings: Settings) -> bool:
    return settings.workers > 1 and settings.worker_class in _RELIEVING


def _state_path(settings: Settings) -> str:
    return os.path.abspath(settings.routes_state) if settings.routes_state else ""
