"""`worker` in a hook: one object from before the fork to the worker's end, as gunicorn's hooks know it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Protocol

from hybrid.hooks.cfg import Cfg
from hybrid.logs.atoms import LoggedRequest
from hybrid.logs.views import RequestView, ResponseView
from hybrid.settings.hooks import Hook, Hooks

_DRAINING = 3
_STAGE, _BEAT, _REQUESTS = 2, 3, 4
"""Words of a scoreboard row. The row is above us, so that its layout is repeated here; a test holds them together."""


class Row(Protocol):
    """What is read of a worker's row in the scoreboard."""

    words: memoryview[int]
    floats: memoryview[float]


class Beats:
    """`worker.tmp`: under gunicorn a file whose time is the proof of life, here the scoreboard."""

    def __init__(self, row: Row | None) -> None:
        self._row = row

    def notify(self) -> None:
        if self._row is not None:
            self._row.floats[_BEAT] = time.monotonic()

    def last_update(self) -> float:
        """Monotonic seconds."""
        return self._row.floats[_BEAT] if self._row is not None else 0.0

    def close(self) -> None:
        """There is no file."""


class WorkerView:
    """Attributes may be added to it: what pre_fork puts there, post_fork finds."""

    def __init__(self, *, age: int, ppid: int, sockets: list[object], cfg: Cfg, log: logging.Logger, row: Row) -> None:
        self.age = age
        """The how manieth worker of this arbiter it is."""
        self.pid: int | str = "[booting]"
        self.ppid = ppid
        self.sockets = sockets
        self.cfg = cfg
        self.log = log
        self.timeout = cfg.timeout
        self.booted = False
        self.aborted = False
        self.tmp = Beats(row)
        self.app: object | None = None
        self.wsgi: object | None = None
        """The application, once it is loaded."""
        self.reloader = None
        self._row = row

    @property
    def nr(self) -> int:
        """How many requests it has answered."""
        return self._row.words[_REQUESTS]

    @property
    def alive(self) -> bool:
        """It has not been told to go."""
        return self._row.words[_STAGE] != _DRAINING

    @property
    def max_requests(self) -> object:
        return self.cfg.max_requests

    def notify(self) -> None:
        """Stamp the proof of life."""
        self.tmp.notify()

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"


class RequestHooks:
    """pre_request and post_request of one worker. Made only where one of them is defined."""

    def __init__(self, hooks: Hooks, worker: WorkerView) -> None:
        self._before: Hook | None = hooks.pre_request
        self._after: Hook | None = hooks.post_request
        self._worker = worker
        self._views: dict[int, RequestView] = {}
        """What pre_request was given, until post_request is given the same."""

    @classmethod
    def of(cls, hooks: Hooks, worker: WorkerView | None) -> RequestHooks | None:
        """None without either hook: then a request costs one comparison."""
        if worker is None or (hooks.pre_request is None and hooks.post_request is None):
            return None
        return cls(hooks, worker)

    def before(self, request: LoggedRequest) -> None:
        """Raises what the hook raises."""
        view = self._views[id(request)] = RequestView(request)
        if self._before is not None:
            self._before(self._worker, view)

    def has_begun(self, request: LoggedRequest) -> bool:
        """`before` was called for it, and `after` not yet."""
        return id(request) in self._views

    def after(self, request: LoggedRequest, environ: Mapping[str, object], response: ResponseView) -> None:
        """Never raises: the answer is out already."""
        view = self._views.pop(id(request), None) or RequestView(request)
        if self._after is None:
            return
        try:
            self._after(self._worker, view, environ, response)
        except Exception:
            self._worker.log.exception("Exception in post_request hook")
