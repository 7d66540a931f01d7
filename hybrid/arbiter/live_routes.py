"""The routes in force, kept over reloads and, with --routes-state, over restarts. A shell around `routing.live`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from hybrid.errors import SettingsError

if TYPE_CHECKING:
    from hybrid.routing import Route
    from hybrid.routing.live import LiveRoutes

_MOST_BEQUEATHED = 64 * 1024
"""Bytes: the kernel allows 128 KiB for one variable."""


class RouteKeeper:
    """One per arbiter. Before the first `configure` there are no routes."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._path = ""
        self._pools: tuple[str, ...] = ()
        self.live: LiveRoutes | None = None

    @property
    def current(self) -> tuple[Route, ...]:
        return self.live.current if self.live is not None else ()

    def load(self, path: str) -> None:
        """Take what an earlier arbiter has left, if none is known yet. Raises SettingsError."""
        if self.live is None and path:
            self.live = read(path)

    def bequeath(self) -> str:
        """For the arbiter that an upgrade starts, in one environment variable: without the past where that is long."""
        live = self.live
        if live is None or not live.is_changed:
            return ""
        from hybrid.routing.live import to_json

        texts = (to_json(replace(live, changes=live.changes[len(live.changes) - most :])) for most in _past(live))
        text = next((text for text in texts if len(text) <= _MOST_BEQUEATHED), "")
        if not text:
            self._log.warning("Upgrade: there are too many routes to pass on; use --routes-state to keep live changes")
        return text

    def inherit(self, text: str) -> None:
        """Take what `bequeath()` has made; another version may have, and then it is left."""
        if not text:
            return
        from hybrid.routing.live import from_json

        try:
            self.live = from_json(text, "upgrade")
        except SettingsError as error:
            self._log.warning("Routes: live changes cannot stay in force: %s", error)

    def configure(self, routes: Iterable[Route], pools: Collection[str], path: str) -> None:
        """These are the routes and pools of the settings from now on; `path` is the file, absolute, or ""."""
        from hybrid.routing.live import LiveRoutes

        routes = tuple(routes)
        live, lines = (self.live or LiveRoutes(routes, routes)).reconfigured(routes, pools, time.time())
        self._pools = tuple(pools)
        for line in lines:
            self._log.warning("%s", line)
        if live != self.live or path != self._path:
            self.live, self._path = live, path
            self._save()

    def apply(self, change: Callable[[LiveRoutes], LiveRoutes], in_force: Callable[[str], None]) -> str:
        """Make a change; what was done, as a line. `in_force` puts the routes in force and is told the line.

        Raises SettingsError for routes that cannot be.
        """
        from hybrid.routing.routes import check_routes

        if self.live is None:
            raise SettingsError("this server has no pools to choose from; give it --pool and --route")
        live = change(self.live)
        if live is self.live:
            return "Routes: nothing to change"
        check_routes(live.current, self._pools)
        before, self.live = self.live, live
        text = _difference(before, live)
        in_force(text)  # before the file: that may take its time, and a fuse has none
        problem = self._save()
        return text + (f"; {problem}" if problem else "")

    def _save(self) -> str:
        """Write the file; "" or what went wrong, which is logged. A routing change must not fail for a full disk."""
        if not self._path or self.live is None:
            return ""
        from hybrid.routing.live import to_json

        try:
            write(self._path, to_json(self.live))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            text = f"setting routes_state: cannot write {self._path}: {reason}; a restart will not know of this change"
            self._log.error("%s", text)
            return text
        return ""


def read(path: str) -> LiveRoutes | None:
    """None where there is no such file yet. Raises SettingsError."""
    from hybrid.routing.live import from_json

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"setting routes_state: cannot read {path}: {error}") from error
    return from_json(text, f"setting routes_state: {path}")


def write(path: str, text: str) -> None:
    """In one step: a reader, and whoever starts after a crash, finds the old text or the new one. Raises OSError."""
    fresh = f"{path}.{os.getpid()}"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        try:
            os.unlink(fresh)
        except OSError:
            pass
        raise


def _past(live: LiveRoutes) -> Iterable[int]:
    """How many of the last changes to pass on: all, or else fewer."""
    return (min(len(live.changes), most) for most in (len(live.changes), 10, 1, 0))


def _difference(before: LiveRoutes, after: LiveRoutes) -> str:
    old = {route.pattern: route for route in before.current}
    new = {route.pattern: route for route in after.current}
    parts = []
    for pattern in dict.fromkeys([*old, *new]):
        if old.get(pattern) == new.get(pattern):
            continue
        was = str(old[pattern]) if pattern in old else "none"
        parts.append(f"{new[pattern]} (was {was})" if pattern in new else f"{pattern} removed (was {was})")
    return "Routes: " + "; ".join(parts)
