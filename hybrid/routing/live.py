"""Routes that are changed while the server runs, and what each change can be taken back to. Pure.

The routes of the settings come first. A change through the control socket, or by the fuse, is laid over them and stays
in force across reloads, and with --routes-state across restarts, for as long as the settings say the same routes as
when it was made. When those change, whoever changed them has had the last word: they replace what is live, which a
rollback still brings back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hybrid.errors import SettingsError
from hybrid.routing.pattern import Pattern, parse_pattern
from hybrid.routing.routes import Route, Share, Sticky, check_routes, from_tables, parse_route, promoted, to_tables
from hybrid.routing.routes import with_route as _with_route

MOST_CHANGES = 50
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with what it replaced."""

    at: float
    """Seconds since 1970: it outlives the machine's boot."""
    text: str
    before: tuple[tuple[Pattern, Route | None], ...]
    """The routes as they were; None for a pattern that had none."""


@dataclass(frozen=True, slots=True)
class LiveRoutes:
    """The routes in force, those that the settings say, and how the first came about, oldest change first."""

    configured: tuple[Route, ...]
    current: tuple[Route, ...]
    changes: tuple[Change, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Are other routes in force than the settings say?"""
        return _by_pattern(self.current) != _by_pattern(self.configured)

    def changed(self, routes: Iterable[Route], text: str, at: float) -> LiveRoutes:
        """With these routes in force. Itself if nothing would change."""
        routes = tuple(routes)
        old, new = _by_pattern(self.current), _by_pattern(routes)
        patterns = dict.fromkeys([*old, *new])
        before = tuple((pattern, old.get(pattern)) for pattern in patterns if old.get(pattern) != new.get(pattern))
        if not before:
            return self
        return replace(self, current=routes, changes=(*self.changes, Change(at, text, before))[-MOST_CHANGES:])

    # the operator's commands ------------------------------------------------------------------------------

    def with_route(self, text: str, at: float, sticky: Sticky | None = None) -> LiveRoutes:
        """`hybrid route TEXT`. A route that is there already keeps its stickiness. Raises SettingsError."""
        route = parse_route(text, "route")
        known = _by_pattern(self.current).get(route.pattern)
        route = replace(route, sticky=sticky or (known.sticky if known is not None else route.sticky))
        return self.changed(_with_route(self.current, route), f"route {route}", at)

    def without_route(self, text: str, at: float) -> LiveRoutes:
        """`hybrid route --remove PATTERN`: its requests go by the next route that fits. Raises SettingsError."""
        pattern = self._find(text, "route --remove")
        routes = (route for route in self.current if route.pattern != pattern)
        return self.changed(routes, f"route --remove {pattern}", at)

    def promoted(self, text: str, pool: str, at: float) -> LiveRoutes:
        """`hybrid promote PATTERN POOL`: all requests of a route go to this pool. Raises SettingsError."""
        pattern = self._find(text, "promote")
        return self.changed(promoted(self.current, pattern, pool), f"promote {pattern} {pool}", at)

    def rolled_back(self, text: str = "") -> tuple[LiveRoutes, str]:
        """Without the last change, or the last of this pattern, and which that was. Raises SettingsError."""
        pattern = parse_pattern(text, "rollback") if text else None
        for index in range(len(self.changes) - 1, -1, -1):
            change = self.changes[index]
            undone = tuple(item for item in change.before if pattern in (None, item[0]))
            if not undone:
                continue
            rest = tuple(item for item in change.before if item not in undone)
            kept = (replace(change, before=rest),) if rest else ()
            changes = (*self.changes[:index], *kept, *self.changes[index + 1 :])
            return replace(self, current=_restored(self.current, undone), changes=changes), change.text
        raise SettingsError(f"rollback{' ' + text if text else ''}: there is no change to take back")

    def _find(self, text: str, where: str) -> Pattern:
        pattern = parse_pattern(text, where)
        routes = _by_pattern(self.current)
        if pattern in routes:
            return pattern
        # A route with conditions on header fields, which cannot be typed, if it is the only one of its path.
        like = [known for known in routes if replace(known, headers=()) == pattern]
        if len(like) == 1:
            return like[0]
        known = ", ".join(str(route.pattern) for route in self.current) or "none"
        raise SettingsError(f"{where} {text}: there is no such route; there are: {known}")

    # a reload ---------------------------------------------------------------------------------------------

    def reconfigured(
        self, configured: Iterable[Route], pools: Collection[str], at: float
    ) -> tuple[LiveRoutes, tuple[str, ...]]:
        """After settings with these routes and pools were loaded, and what the log should say of it."""
        configured = tuple(configured)
        same = _by_pattern(configured) == _by_pattern(self.configured)
        fresh = replace(self, configured=configured)
        if not same and (not self.is_changed or not fresh.is_changed):
            return fresh.changed(configured, "reload", at), ()
        if not same:
            live = "; ".join(str(route) for route in self.current)
            text = f"the settings have other routes than before, which replace the live ones ({live});"
            return fresh.changed(configured, "reload", at), (f"Routes: {text} hybrid rollback brings those back",)
        try:
            check_routes(self.current, pools)
        except SettingsError as error:
            text = f"live changes cannot stay in force: {error}; the routes of the settings replace them"
            return fresh.changed(configured, "reload", at), (f"Routes: {text}",)
        if self.is_changed:
            live = "; ".join(str(route) for route in self.current)
            text = f"live changes stay in force: {live}; hybrid routes prints them for the settings file"
            return fresh, (f"Routes: {text}",)
        return fresh, ()


def _by_pattern(routes: Iterable[Route]) -> dict[Pattern, Route]:
    return {route.pattern: route for route in routes}


def _restored(routes: tuple[Route, ...], before: Iterable[tuple[Pattern, Route | None]]) -> tuple[Route, ...]:
    for pattern, route in before:
        kept = tuple(one for one in routes if one.pattern != pattern)
        routes = kept if route is None else _with_route(routes, route)
    return routes


# the file -----------------------------------------------------------------------------------------


def to_json(live: LiveRoutes) -> str:
    """For --routes-state."""
    document = {
        "format": FORMAT,
        "routes": to_tables(live.current),
        "configured": to_tables(live.configured),
        "changes": [
            {"at": change.at, "text": change.text, "before": [_to_table(*item) for item in change.before]}
            for change in live.changes
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str, where: str) -> LiveRoutes:
    """What `to_json` has made. `where` begins the messages. Raises SettingsError."""
    try:
        document: Mapping[str, Any] = json.loads(text)
        found = document["format"]
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{where}: found no routes, expected a file that --routes-state has written") from None
    if found != FORMAT:
        raise SettingsError(f"{where}: found format {found!r}, expected {FORMAT}; another version has written it")
    try:
        return LiveRoutes(
            from_tables(document["configured"], f"{where}: configured"),
            from_tables(document["routes"], f"{where}: routes"),
            tuple(_change(table, where) for table in document["changes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{where}: {type(error).__name__}: {error}; remove it to begin anew") from error


def _to_table(pattern: Pattern, route: Route | None) -> dict[str, object]:
    table = to_tables([route or Route(pattern, (Share("none", 1.0),))])[0]
    if route is None:
        table["pools"] = None
    return table


def _change(table: Mapping[str, Any], where: str) -> Change:
    before: list[tuple[Pattern, Route | None]] = []
    rows: Sequence[Mapping[str, object]] = table["before"]
    for row in rows:
        is_none = row["pools"] is None
        (route,) = from_tables([{**row, "pools": "none"} if is_none else row], f"{where}: changes")
        before.append((route.pattern, None if is_none else route))
    return Change(float(table["at"]), str(table["text"]), tuple(before))
