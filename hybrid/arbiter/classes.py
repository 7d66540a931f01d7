"""Says which worker class serves: `Using worker: sync`, the line by which pipelines and people know it.

A class that the settings name is said at once, before any worker is forked. With `auto` nobody knows it until a worker
has looked at the application, so that it is said when the first one of a pool is ready.
"""

from __future__ import annotations

import logging

from hybrid.arbiter.releases import Release
from hybrid.arbiter.state import Child

_AUTO = "auto"


class WorkerClasses:
    """What was said last, by pool."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, str] = {}

    def adopt(self, release: Release) -> None:
        """These settings are in force from now on."""
        for pool, site in release.sites.items():
            if site.settings.worker_class != _AUTO:
                self._say(release, pool, site.settings.worker_class)

    def ready(self, release: Release | None, child: Child, detail: str) -> None:
        """A worker is ready, and says of itself `worker=CLASS` among other things."""
        if release is None or child.pool not in release.sites:
            return
        chosen = dict(word.partition("=")[::2] for word in detail.split()).get("worker", "")
        if chosen and release.sites[child.pool].settings.worker_class == _AUTO:
            self._say(release, child.pool, chosen)

    def _say(self, release: Release, pool: str, name: str) -> None:
        if self._said.get(pool) != name:
            self._said[pool] = name
            more = "" if len(release.sites) == 1 else f" pool={pool} app={release.sites[pool].settings.app}"
            self._log.info("Using worker: %s%s", name, more)
