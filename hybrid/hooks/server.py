"""`server` in a hook: the arbiter as gunicorn's hooks know it."""

from __future__ import annotations

import logging
import os
import signal

from hybrid.hooks.cfg import Cfg
from hybrid.hooks.worker import WorkerView
from hybrid.settings import Settings


class ServerView:
    """Live in the arbiter; in a worker, what it was when the worker was forked."""

    def __init__(self, log: logging.Logger, settings: Settings) -> None:
        self.pid = os.getpid()
        self.log = log
        self.cfg = Cfg(settings)
        self.WORKERS: dict[int, WorkerView] = {}
        """By pid, every worker that was forked and has not ended."""
        self.num_workers = settings.workers
        self.worker_age = 0
        """How many workers were ever forked."""
        self.LISTENERS: list[object] = []
        self.master_name = "Master"
        self.master_pid = 0
        self.reexec_pid = 0
        self.pidfile: object | None = None

    @property
    def address(self) -> object:
        return self.cfg.address

    @property
    def proc_name(self) -> str:
        return self.cfg.proc_name

    @property
    def timeout(self) -> object:
        return self.cfg.timeout

    @property
    def worker_class(self) -> str:
        return self.cfg.worker_class_str

    def kill_worker(self, pid: int, number: int) -> None:
        """Send a signal to a worker; none for one that has ended."""
        if pid in self.WORKERS:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill_workers(self, number: int) -> None:
        for pid in list(self.WORKERS):
            self.kill_worker(pid, number)

    def reload(self) -> None:
        """Ask for a reload, as SIGHUP does."""
        os.kill(self.pid, signal.SIGHUP)
