"""A release: one generation's settings with everything that the shell keeps for making workers of it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hybrid import logs
from hybrid.arbiter.state import Plan
from hybrid.contract import Listener
from hybrid.contract.identity import owner
from hybrid.errors import SettingsError
from hybrid.hooks import Cfg
from hybrid.settings import Settings
from hybrid.settings.log_plan import log_plan

if TYPE_CHECKING:
    from hybrid.routing import Route

MAIN = "main"
"""The pool of APP."""
SHADOW = "shadow"
"""The pool of the one worker that sends copies of requests and compares the answers."""
_SHADOW_CLASS = "hybrid_workers.shadow:ShadowWorker"


class Site(NamedTuple):
    """What a worker of one pool begins with."""

    settings: Settings
    folder: str
    """An absolute path: a reload that failed half-way may have taken the arbiter elsewhere."""
    fallback: str = ""
    accepts: bool = True
    """Has the listeners."""


class Release(NamedTuple):
    """What the shell keeps of one generation."""

    generation: int
    settings: Settings
    """Those outside of any pool."""
    listeners: dict[str, Listener]
    sites: Mapping[str, Site]
    """By pool; the first is the default."""
    routes: tuple[Route, ...] = ()

    @property
    def is_single(self) -> bool:
        """One pool, which serves whatever comes."""
        return len(self.sites) == 1 and not self.routes

    @property
    def apps(self) -> str:
        """The applications that it serves."""
        return ", ".join(dict.fromkeys(site.settings.app for site in self.sites.values() if site.accepts))

    def plans(self) -> dict[str, Plan]:
        """What it asks of each pool."""
        return {name: plan(site.settings) for name, site in self.sites.items()}


def sites_of(settings: Settings, start_dir: str) -> tuple[dict[str, Site], tuple[Route, ...]]:
    """The pools of these settings, and the routes between them. Raises SettingsError."""
    if not (settings.pools or settings.routes or settings.shadow):  # the common case imports nothing
        return {MAIN: _site(settings, start_dir)}, ()
    from hybrid.routing.layout import lay_out

    layout = lay_out(settings)
    sites = {pool.name: _site(pool.settings, start_dir, pool.fallback) for pool in layout.pools}
    if settings.shadow:
        own = replace(
            settings, worker_class=_SHADOW_CLASS, workers=1, preload_app=False, ready_probe="", max_requests=0
        )
        sites[SHADOW] = _site(own, start_dir)._replace(accepts=False)
    return sites, layout.routes


def plan(settings: Settings) -> Plan:
    """What the settings of a pool ask of it."""
    return Plan(
        size=settings.workers,
        timeout_s=settings.timeout,
        boot_timeout_s=settings.boot_timeout,
        graceful_timeout_s=settings.graceful_timeout,
        drain_delay_s=settings.drain_delay,
        is_preloaded=is_preloaded(settings),
        waits_for_fix=settings.reload,
        max_memory=settings.max_worker_memory,
        hard_memory=settings.max_worker_memory_hard,
        lifetime_s=settings.max_worker_lifetime,
        intensity=settings.restart_intensity,
        period_s=settings.restart_period,
        surge=settings.max_surge or max(1, settings.workers // 4),
    )


def is_preloaded(settings: Settings) -> bool:
    """Are workers made from a template? Not with a socket per worker (--reuse-port), which a fork cannot make new,
    nor where the system lets nobody adopt a grandchild."""
    return settings.preload_app and not settings.reuse_port and sys.platform == "linux"


def enter(start_dir: str, settings: Settings) -> None:
    """Go where relative paths of the settings begin. Raises SettingsError."""
    folder = os.path.join(start_dir, settings.chdir)
    try:
        os.chdir(folder)
    except OSError as error:
        raise SettingsError(f"setting chdir: cannot change to {folder}: {(error.strerror or '').lower()}") from error


def open_logs(settings: Settings) -> logging.Logger:
    who = owner(settings) if settings.user or settings.group else None
    return logs.configure(plan=log_plan(settings, who, lambda: Cfg(settings)))


def _site(settings: Settings, start_dir: str, fallback: str = "") -> Site:
    folder = os.path.join(start_dir, settings.chdir)
    if not os.path.isdir(folder):
        raise SettingsError(f"setting chdir: cannot change to {folder}: no such folder")
    if settings.chdir and not os.path.isabs(settings.chdir):  # a pool's own
        settings = replace(settings, chdir=os.path.normpath(folder))
    return Site(settings, folder, fallback)
