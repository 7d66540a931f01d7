"""The server hooks that run in a worker: when each is called, and what happens when one raises."""

from __future__ import annotations

import faulthandler
import os
import signal

from hybrid.contract import WorkerContext
from hybrid.settings.hooks import Hook


class WorkerHooks:
    """Calls post_fork, post_worker_init and worker_exit. Without hooks in the settings each call is one comparison.

    What the first two raise is a failure to boot; what the last raises is logged.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._hooks = context.settings.hooks
        self._objects = context.hooks
        self._log = context.log
        self._is_initialised = False

    def forked(self) -> None:
        """First of all: with the rights of the arbiter, before the application is imported."""
        if self._objects is None:
            return
        self._objects.worker.pid = os.getpid()
        if self._hooks.post_fork is not None:
            self._hooks.post_fork(self._objects.server, self._objects.worker)

    def loaded(self, app: object | None) -> None:
        """The application is imported; None for a worker class that imports it in its boot()."""
        if self._objects is not None and app is not None:
            self._objects.worker.wsgi = app
            self._initialise()

    def booted(self) -> None:
        """About to serve."""
        if self._objects is not None:
            self._initialise()
            self._objects.worker.booted = True

    def leaving(self) -> None:
        """The last thing, however it ended."""
        hook = self._hooks.worker_exit
        if self._objects is None or hook is None:
            return
        try:
            hook(self._objects.server, self._objects.worker)
        except Exception:
            self._log.exception("Exception in hook worker_exit")

    def _initialise(self) -> None:
        if self._is_initialised or self._objects is None:
            return
        self._is_initialised = True
        if self._hooks.post_worker_init is not None:
            self._hooks.post_worker_init(self._objects.worker)


def interrupted(context: WorkerContext) -> None:
    """SIGINT or SIGQUIT came: worker_int, in the signal handler, as under gunicorn."""
    _run(context, "worker_int", context.settings.hooks.worker_int)


def take_abort(context: WorkerContext) -> None:
    """With a worker_abort hook SIGABRT runs it, and then ends the process.

    The plain handler writes the stacks in C, even while the interpreter is stuck. A Python hook cannot run
    then; so with one, a worker stuck in C code ends by the SIGKILL that follows.
    """
    hook = context.settings.hooks.worker_abort
    if hook is None or context.hooks is None:
        return

    def abort(number: int, frame: object) -> None:
        try:
            faulthandler.dump_traceback(context.black_box if context.black_box >= 0 else 2, all_threads=True)
        except (OSError, RuntimeError, ValueError):  # no such descriptor
            pass
        if context.hooks is not None:
            context.hooks.worker.aborted = True
        _run(context, "worker_abort", hook)
        WorkerHooks(context).leaving()
        os._exit(1)

    signal.signal(signal.SIGABRT, abort)


def _run(context: WorkerContext, name: str, hook: Hook | None) -> None:
    if hook is None or context.hooks is None:
        return
    try:
        hook(context.hooks.worker)
    except Exception:
        context.log.exception("Exception in hook %s", name)
