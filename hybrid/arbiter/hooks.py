"""Calling the server hooks in the arbiter, with live objects, in gunicorn's order. A thin shell: no rule but the order.

A hook that raises at the start ends the start, one at a reload the reload, one before a fork that spawn;
afterwards it is logged and the arbiter goes on: whoever watches over processes must not fall over a metric.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from hybrid.contract import Listener, ScoreRow
from hybrid.contract.worker import HookObjects
from hybrid.errors import SettingsError
from hybrid.hooks import Cfg, ServerView, WorkerView
from hybrid.settings import Settings
from hybrid.settings.hooks import NO_HOOKS, Hooks


class ServerHooks:
    """One per arbiter. Without hooks in the settings every call here does next to nothing."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._hooks = NO_HOOKS
        self._server: ServerView | None = None

    def adopt(self, settings: Settings) -> None:
        """These settings are in force from now on. Raises SettingsError when nworkers_changed does not like them."""
        if settings.hooks is NO_HOOKS and self._server is None:
            return
        before = None
        if self._server is None:
            self._server = ServerView(self._log, settings)
        else:
            before = self._server.num_workers
        self._hooks = settings.hooks
        self._server.cfg = Cfg(settings)
        self._server.num_workers = settings.workers
        self._must("nworkers_changed", settings.workers, before)

    def starting(self, settings: Settings) -> None:
        """Before the addresses are bound. Raises SettingsError."""
        self.adopt(settings)
        if self._server is not None:
            os.environ.update(self._server.cfg.env)
        self._must("on_starting")

    def ready(self, listeners: Iterable[Listener]) -> None:
        """Bound, and about to fork. Raises SettingsError."""
        self._note(listeners)
        self._must("when_ready")

    def reloading(self, settings: Settings, listeners: Iterable[Listener]) -> None:
        """The settings of a reload are read and bound. Raises SettingsError, and the old ones stay in force."""
        hooks, server = self._hooks, self._server
        old = (server.cfg, server.num_workers, server.LISTENERS) if server is not None else None
        try:
            self.adopt(settings)
            self._note(listeners)
            self._must("on_reload")
        except SettingsError:
            self._hooks, self._server = hooks, server
            if server is not None and old is not None:
                server.cfg, server.num_workers, server.LISTENERS = old
            raise

    def resized(self, size: int) -> None:
        """The operator changed the number of workers."""
        if self._server is not None and size != self._server.num_workers:
            before, self._server.num_workers = self._server.num_workers, size
            self._may("nworkers_changed", size, before)

    def forking(self, settings: Settings, listeners: Iterable[Listener], row: ScoreRow) -> HookObjects | None:
        """The objects for a worker that is about to be forked, after pre_fork. Raises SettingsError."""
        server = self._server
        if server is None:
            return None
        server.worker_age += 1
        worker = WorkerView(
            age=server.worker_age,
            ppid=server.pid,
            sockets=[listener.socket for listener in listeners],
            cfg=Cfg(settings),
            log=self._log,
            row=row,
        )
        _call(settings.hooks, "pre_fork", server, worker)
        return HookObjects(server, worker)

    def forked(self, objects: HookObjects | None, pid: int) -> None:
        """In the arbiter."""
        if objects is not None:
            objects.worker.pid = pid
            objects.server.WORKERS[pid] = objects.worker

    def exited(self, pid: int) -> None:
        """A worker was reaped."""
        server = self._server
        worker = server.WORKERS.pop(pid, None) if server is not None else None
        if server is not None and worker is not None:
            self._may("child_exit", worker)

    def ending(self) -> None:
        """The last worker is gone."""
        self._may("on_exit")

    def executing(self) -> None:
        """In the process that is about to become a new arbiter."""
        self._may("pre_exec")

    def _note(self, listeners: Iterable[Listener]) -> None:
        if self._server is not None:
            self._server.LISTENERS = [listener.socket for listener in listeners]

    def _must(self, name: str, *more: object) -> None:
        if self._server is not None:
            _call(self._hooks, name, self._server, *more)

    def _may(self, name: str, *more: object) -> None:
        hook = getattr(self._hooks, name)
        if hook is None or self._server is None:
            return
        try:
            hook(self._server, *more)
        except Exception:
            self._log.exception("Exception in hook %s", name)


def _call(hooks: Hooks, name: str, *arguments: object) -> None:
    hook = getattr(hooks, name)
    if hook is None:
        return
    try:
        hook(*arguments)
    except Exception as error:
        raise SettingsError(f"hook {name}{_place(error)}: {type(error).__name__}: {error}") from error


def _place(error: Exception) -> str:
    """Where it was raised, for a message of one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
