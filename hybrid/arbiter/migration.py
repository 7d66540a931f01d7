"""What the arbiter knows of a migration: traffic by route, shadow findings, blocked event loops; and the fuse.

Workers count in shared memory, so that looking costs them nothing. The fuse looks once a second; the rest is only
added up for `hybrid migration`. A server with one pool and no routes has none of this, and imports none of it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hybrid.arbiter.blocking import BlockingSites
from hybrid.arbiter.crossings import Crossings
from hybrid.arbiter.state import Stage, State
from hybrid.contract.messages import LoopBlocked, Report
from hybrid.contract.scoreboard import InFlight, ScoreRow, Word

if TYPE_CHECKING:
    from hybrid.arbiter.releases import Release
    from hybrid.arbiter.shadow_totals import ShadowTotals
    from hybrid.contract.traffic import Counts
    from hybrid.routing import Route
    from hybrid.routing.watch import Blown, Watch

LOOK_S = 1.0
_MOST_EVENTS = 200


class Migration:
    """One per arbiter."""

    def __init__(self, crossings: Crossings, log: logging.Logger, row: Callable[[int], ScoreRow | None]) -> None:
        """`row` gives the scoreboard's row of a worker, by pid."""
        self._crossings = crossings
        self._log = log
        self._row = row
        self._watch: Watch | None = None
        self._watched: tuple[object, ...] = ()
        self._routes: tuple[Route, ...] | None = None
        self._look_at = 0.0
        self._blocking = BlockingSites()
        self._shadow: ShadowTotals | None = None
        self._history: deque[dict[str, Any]] = deque(maxlen=_MOST_EVENTS)
        self._blown: deque[dict[str, Any]] = deque(maxlen=_MOST_EVENTS)

    # what happens -----------------------------------------------------------------------------------------

    def heard(self, pool: str, report: Report) -> None:
        """A worker of this pool has something to tell."""
        if isinstance(report, LoopBlocked):
            self._blocking.add(pool, report, time.time())
            return
        if self._shadow is None:
            from hybrid.arbiter.shadow_totals import ShadowTotals

            self._shadow = ShadowTotals()
        self._shadow.add(report)

    def died(self, pool: str, requests: Iterable[InFlight]) -> None:
        """A worker died by itself, with these requests under way."""
        if self._watch is not None:
            for request in requests:
                self._watch.lost(pool, request.method, request.target)

    def look(self, state: State, until: float | None, now: float) -> float | None:
        """See whether a fuse blows, when it is time to; when to wake for the next look, at the latest."""
        release = self._crossings.serving
        if self._crossings.traffic is None or release is None:
            return until
        self._follow(release)
        if self._watch is None or self._watch.is_idle:
            return until
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            for blown in self._watch.observe(now, self._crossings.traffic.read(), self._lags(state)):
                self._blow(blown)
            self._follow(release)  # else a rollback before the next look would not be seen as a change
        return self._look_at if until is None else min(until, self._look_at)

    def _follow(self, release: Release) -> None:
        """Take note of other routes, and of another fuse."""
        settings, routes = release.settings, self._crossings.routes.current
        watched = (settings.fuse, settings.fuse_window)
        if self._routes is routes and self._watched == watched:
            return
        if self._watched != watched:
            self._watched = watched
            self._watch = _watch(release)
        if self._watch is not None:
            self._watch.follow(routes, self._default(release))
        if self._routes != routes:
            self._history.append({"at": time.time(), "weights": _weights(routes)})
        self._routes = routes

    def _blow(self, blown: Blown) -> None:
        trip = blown.trip
        text = f"Fuse: {blown}"
        self._log.error("%s", text)
        from hybrid.errors import SettingsError
        from hybrid.routing.routes import lost_weight

        at = time.time()
        try:
            self._crossings.change(
                lambda live: live.changed(
                    lost_weight(live.current, blown.pattern, blown.pool, blown.instead), f"fuse: {blown}", at
                )
            )
        except SettingsError as error:  # a pool that was there a second ago is not
            self._log.error("Fuse: the weight cannot be taken away: %s", error)
        self._blown.append(
            {
                "at": at,
                "route": str(blown.pattern),
                "pool": blown.pool,
                "instead": blown.instead,
                "limit": str(trip.limit),
                "evidence": str(trip),
                "text": text,
            }
        )

    def _lags(self, state: State) -> dict[str, float]:
        found: dict[str, float] = {}
        for child in state.children.values():
            row = self._row(child.pid) if child.stage is Stage.READY else None
            if row is not None:
                found[child.pool] = max(found.get(child.pool, 0.0), row.floats[Word.LOOP_LAG_PEAK])
        return found

    @staticmethod
    def _default(release: Release) -> str:
        return next(iter(release.sites))

    # what is told -----------------------------------------------------------------------------------------

    @property
    def blown(self) -> list[dict[str, Any]]:
        """The fuses that have blown, the last one last, for `hybrid status`."""
        return list(self._blown)

    def facts(self, state: State) -> dict[str, object]:
        """Everything that `hybrid migration` makes its report of."""
        release = self._crossings.serving
        traffic = self._crossings.traffic.read() if self._crossings.traffic is not None else {}
        live = self._crossings.routes.live
        return {
            "at": time.time(),
            "default": self._default(release) if release is not None else "",
            "pools": _pools(release, state) if release is not None else [],
            "routes": [_route(route) for route in self._crossings.routes.current],
            "traffic": [_counted(pool, pattern, counts) for (pool, pattern), counts in traffic.items()],
            "shadow": _shadow(release, self._shadow),
            "blocking": self._blocking.as_json(),
            "fuse": {
                "limits": release.settings.fuse if release is not None else "",
                "window_s": release.settings.fuse_window if release is not None else 0.0,
                "blown": self.blown,
            },
            "changes": [{"at": change.at, "text": change.text} for change in live.changes] if live is not None else [],
            "history": list(self._history),
        }


def _watch(release: Release) -> Watch | None:
    if not release.settings.fuse:
        return None
    from hybrid.routing.layout import fuse_limits
    from hybrid.routing.watch import Watch

    return Watch(fuse_limits(release.settings), release.settings.fuse_window)


def _weights(routes: Iterable[Route]) -> dict[str, dict[str, float]]:
    return {str(route.pattern): {share.pool: share.weight for share in route.shares} for route in routes}


def _pools(release: Release, state: State) -> list[dict[str, object]]:
    found = []
    for name, site in release.sites.items():
        if not site.accepts:
            continue
        children = state.of_pool(name)
        found.append(
            {
                "name": name,
                "app": site.settings.app,
                "class": site.settings.worker_class,
                "size": state.pools[name].size if name in state.pools else 0,
                "ready": sum(child.stage is Stage.READY for child in children),
            }
        )
    return found


def _route(route: Route) -> dict[str, object]:
    return {
        "pattern": str(route.pattern),
        "weights": {share.pool: share.weight for share in route.shares},
        "sticky": route.sticky,
    }


def _counted(pool: str, pattern: str, counts: Counts) -> dict[str, object]:
    return {
        "pool": pool,
        "pattern": pattern,
        "requests": counts.requests,
        "errors": counts.errors,
        "sampled": counts.sampled,
        "wall_s": round(counts.wall_s, 6),
        "cpu_s": round(counts.cpu_s, 6),
        "copied": counts.copied,
        "dropped": counts.dropped,
        "unfit": counts.unfit,
        "latency": {str(index): count for index, count in enumerate(counts.latency.counts) if count},
    }


def _shadow(release: Release | None, totals: ShadowTotals | None) -> list[Mapping[str, object]]:
    """Of each rule in force, what was found; and what was found of rules that are no more."""
    if release is None or not release.settings.shadow:
        return totals.as_json() if totals is not None else []
    from hybrid.arbiter.shadow_totals import ShadowTotals
    from hybrid.routing.layout import shadow_rules

    found = totals or ShadowTotals()
    rules = shadow_rules(release.settings, [name for name, site in release.sites.items() if site.accepts])
    found.enforce((rule.name, rule.pool, rule.percent) for rule in rules)
    return found.as_json()
