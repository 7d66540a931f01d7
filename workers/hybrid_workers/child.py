"""From a forked process to a serving worker, and to its exit code.

Runs in the child, between the arbiter's fork and its `_exit`. The order matters: signals first, so that a
stop during a slow import is heard; user and group before the first line of the application; the kernel's
notice of the arbiter's death after those, since a change of user clears it.

The arbiter's end reaches a worker on three ways. The worker's own loop sees the end of the channel. Where
the loop is stuck in the application, the kernel sends SIGTERM (Linux), whose handler sees that the parent
has changed. And as a request that never ends would keep an orphan for ever, that handler also starts a clock
that ends the process without any help of the interpreter.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING

import hybrid
from hybrid.contract import BootFailed, Ready, Worker, WorkerContext
from hybrid.contract.blackbox import record_stacks
from hybrid.contract.identity import become_owner
from hybrid.contract.parent import signal_when_parent_dies
from hybrid.contract.scoreboard import Word
from hybrid.contract.title import set_title
from hybrid.errors import AppLoadError, SettingsError, WorkerBootError
from hybrid_workers.allocator import keep_blocks
from hybrid_workers.child_hooks import WorkerHooks, interrupted, take_abort

if TYPE_CHECKING:
    from hybrid_workers.probe import Probe

HARDEN_AFTER_S = 1.0
"""A second SIGTERM within this time is the same one: service managers send it to the whole group, the arbiter too."""

_ORPHAN_SLACK_S = 2.0
_LAST_WORDS_S = 2.0
_TRACEBACK_LIMIT = 64 * 1024

_INERT = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH, signal.SIGUSR2)


class Stage(IntEnum):
    """What a worker writes in the scoreboard's STAGE word."""

    BOOTING = 1
    READY = 2
    DRAINING = 3


def run_worker(context: WorkerContext) -> int:
    """Set the process up, serve, and give the exit code: 0, or 1, 3, 4 if it could not boot, 255 for a defect."""
    commands = _Commands(context)
    commands.install()
    context.row.take(os.getpid(), context.generation, time.monotonic())
    context.row.words[Word.STAGE] = Stage.BOOTING
    hooks = WorkerHooks(context)
    try:
        ours = _enter(context, hooks)
        if context.template is None:
            chosen, why = _choose(context, ours)
        else:
            chosen, why = _choose_audited(context, ours)
            _import_ahead(context)
            before_fork: Callable[[WorkerContext], None] | None = getattr(chosen, "before_fork", None)
            if before_fork is not None:
                before_fork(context)
            _leave_template(context, commands, hooks)
        probe = _probe(context)
        worker = _boot(context, hooks, chosen, commands)
        keep_blocks()
        description = f"worker={context.worker_class}{why}"
        begin = _Beginning(context, worker, description)
        if probe is None:
            commands.worker = worker
            begin.ready()
        else:
            probe.start(worker, begin.probed)
            commands.worker = worker
    except BaseException as error:
        failure = _failure(error)
        _say_last(context, failure)
        hooks.leaving()
        return failure.exit_code
    try:
        worker.serve()
    except Exception:
        context.log.exception("Exception in worker process (pid: %d)", os.getpid())
        return 255
    finally:
        context.log.info("Worker exiting (pid: %d)", os.getpid())
        hooks.leaving()
    return begin.exit_code


class _Beginning:
    """What makes a booted worker a ready one, or, when the probe of it fails, ends it."""

    def __init__(self, context: WorkerContext, worker: Worker, description: str) -> None:
        self._context = context
        self._worker = worker
        self._description = description
        self.exit_code = 0

    def ready(self) -> None:
        context = self._context
        context.row.words[Word.STAGE] = Stage.READY
        context.row.beat(time.monotonic())
        # A WebSocket needs an application that knows them, and a worker class that does.
        serves_websocket = context.worker_class == "asgi" and context.interface.startswith("asgi")
        context.channel.send(Ready(time.monotonic() - context.boot_started, self._description, serves_websocket))

    def probed(self, problem: str) -> None:
        """In the thread of the probe."""
        if not problem:
            self.ready()
            return
        self.exit_code = WorkerBootError.exit_code
        _say_last(self._context, BootFailed(self.exit_code, f"ready probe: {problem}"))
        self._worker.stop(graceful=False)


def _probe(context: WorkerContext) -> Probe | None:
    if not context.settings.ready_probe:
        return None
    from hybrid_workers.probe import Probe

    return Probe(context)


def _leave_template(context: WorkerContext, commands: _Commands, hooks: WorkerHooks) -> None:
    from hybrid_workers.template import leave_template

    def again() -> None:
        commands.install()
        context.row.take(os.getpid(), context.generation, time.monotonic())
        context.row.words[Word.STAGE] = Stage.BOOTING
        hooks.forked()
        set_title("worker", context.settings, f"{context.pool}/{context.slot}")
        signal_when_parent_dies(signal.SIGTERM, context.arbiter_pid)

    leave_template(context, again)


def _choose_audited(context: WorkerContext, ours: type[Worker] | None) -> tuple[type[Worker], str]:
    from hybrid_workers.fork_audit import audited

    with audited() as findings:
        chosen = _choose(context, ours)
        if context.settings.preload_request:
            from hybrid_workers.warm_up import warm_up

            warm_up(context)
    for line in findings.lines:
        context.log.warning("Preload: %s", line)
    return chosen


def _enter(context: WorkerContext, hooks: WorkerHooks) -> type[Worker] | None:
    """Everything before the application: environment, hooks, certificates, rights. Gives what `_ours` does."""
    settings = context.settings
    for pair in settings.raw_env:
        name, _, value = pair.partition("=")
        os.environ[name] = value
    ours = _ours(settings.worker_class)
    hooks.forked()
    os.environ["SERVER_SOFTWARE"] = f"hybrid/{hybrid.__version__}"
    set_title("worker", settings, f"{context.pool}/{context.slot}")
    if settings.certfile or settings.hooks.ssl_context is not None:
        from hybrid.contract.tls import tls_context

        context.tls = tls_context(settings)
    become_owner(settings)
    signal_when_parent_dies(signal.SIGTERM, context.arbiter_pid)
    return ours


def _boot(context: WorkerContext, hooks: WorkerHooks, chosen: type[Worker], commands: _Commands) -> Worker:
    """The worker, about to accept."""
    settings = context.settings
    worker = chosen(context)
    if getattr(chosen, "finishes_boot", False):
        commands.booting = worker
    hooks.loaded(context.app)
    worker.boot()
    if settings.reuse_port:
        for listener in context.listeners:
            listener.socket.listen(settings.backlog)
    hooks.booted()
    return worker


def _ours(name: str) -> type[Worker] | None:
    """The worker class of this name if it is one of ours, prepared: it may patch what hooks and TLS import.

    Others wait for the rights of the application, which they may be a part of.
    """
    from hybrid.contract.registry import BUILT_IN

    return _load(name) if name in BUILT_IN else None


def _load(name: str) -> type[Worker]:
    from hybrid.contract.registry import load

    found = load(name)
    prepare: Callable[[], None] | None = getattr(found, "prepare", None)
    if prepare is not None:
        prepare()
    return found


def _import_ahead(context: WorkerContext) -> None:
    """What a worker imports only where it is needed: in a template, once for all workers that are made of it."""
    from hybrid.http1.back_ends import field_parser

    try:
        field_parser(context.settings.http)
    except ImportError:  # the worker that wants it says it
        pass
    crossing = context.crossing
    if crossing is None:
        return
    is_asgi = context.worker_class == "asgi"
    import_module("hybrid_workers.asgi_crossroads" if is_asgi else "hybrid_workers.crossroads")
    if crossing.is_routing:
        import_module("hybrid.routing.in_force")
    if crossing.traffic is not None:
        import_module("hybrid_workers.asgi_ledger" if is_asgi else "hybrid_workers.wsgi_ledger")


def _choose(context: WorkerContext, ours: type[Worker] | None) -> tuple[type[Worker], str]:
    """Find the worker class, import the application, and see that they fit; `auto` needs the second for the first.

    With it comes what the log says of the choice. Raises SettingsError, AppLoadError.
    """
    from hybrid.contract.interface import choose_worker, interface_of
    from hybrid.contract.loader import load_app, prepare_import_path
    from hybrid.contract.registry import BUILT_IN

    settings = context.settings
    prepare_import_path(settings)
    name = settings.worker_class
    chosen = ours
    if name != "auto":
        context.worker_class = name
        chosen = chosen or _load(name)
        if getattr(chosen, "loads_app_itself", False):
            return chosen, ""
    context.app = load_app(settings)
    detected = interface_of(settings, context.app)
    context.interface = detected.interface
    if chosen is not None and name not in BUILT_IN:
        return chosen, f" interface={detected.interface}"
    context.worker_class, why = choose_worker(settings, detected)
    if context.worker_class != name:
        chosen = _load(context.worker_class)
    assert chosen is not None  # either loaded by name, or chosen just now
    because = "" if why == "asked for" else f" because={why!r}"
    return chosen, f" interface={detected.interface}{because}"


# why it could not boot --------------------------------------------------------------------------------------


def _failure(error: BaseException) -> BootFailed:
    """What to tell the arbiter. An error of ours explains itself; of any other, the traceback is the explanation."""
    if isinstance(error, SettingsError):
        return BootFailed(SettingsError.exit_code, str(error))
    if isinstance(error, AppLoadError):
        from hybrid.contract.loader import app_traceback

        return BootFailed(AppLoadError.exit_code, str(error), app_traceback(error)[-_TRACEBACK_LIMIT:])
    if isinstance(error, WorkerBootError):
        cause = error.__cause__
        text = "" if cause is None or isinstance(cause, OSError) else "".join(traceback.format_exception(cause))
        return BootFailed(WorkerBootError.exit_code, str(error), text[-_TRACEBACK_LIMIT:])
    reason = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    text = "".join(traceback.format_exception(error))
    return BootFailed(WorkerBootError.exit_code, reason, text[-_TRACEBACK_LIMIT:])


def _say_last(context: WorkerContext, message: BootFailed) -> None:
    """Send, and wait a little until it is out, because the process ends next."""
    context.channel.send(message)
    until = time.monotonic() + _LAST_WORDS_S
    while context.channel.has_unsent and time.monotonic() < until:
        select.select((), (context.channel,), (), until - time.monotonic())
        context.channel.flush()


# signals ----------------------------------------------------------------------------------------------------


class _Commands:
    """The signal handlers of a worker process. They record and wake; before the worker is ready, a stop is an exit."""

    def __init__(self, context: WorkerContext) -> None:
        self.worker: Worker | None = None
        self.booting: Worker | None = None
        """One that wants to finish its boot when it is asked to stop meanwhile."""
        self._context = context
        self._stopped_at: float | None = None

    def install(self) -> None:
        """Replace whatever the arbiter had, then let the signals in that its fork held back.

        The inert ones get a handler that does nothing, not SIG_IGN: programs that the application starts would
        inherit that.
        """
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
            try:
                if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None):
                    signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):  # reserved by the C library
                pass
        signal.signal(signal.SIGTERM, self._drain)
        signal.signal(signal.SIGINT, self._quit)
        signal.signal(signal.SIGQUIT, self._quit)
        signal.signal(signal.SIGUSR1, self._reopen)
        signal.signal(signal.SIGHUP, self._refuse)
        for number in _INERT:
            signal.signal(number, _do_nothing)
        record_stacks(self._context.black_box if self._context.black_box >= 0 else 2)
        take_abort(self._context)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())

    def _drain(self, number: int, frame: object) -> None:
        is_orphan = os.getppid() != self._context.arbiter_pid
        if self.worker is None:
            if self.booting is None or is_orphan or self._stopped_at is not None:
                os._exit(0)
            self._stopped_at = time.monotonic()
            self.booting.stop(graceful=True)
            return
        now = time.monotonic()
        if is_orphan:
            self._context.log.info("Parent changed, shutting down: worker (pid: %d)", os.getpid())
            self._end_within(self._context.settings.graceful_timeout + _ORPHAN_SLACK_S)
        if self._stopped_at is None:
            self._stopped_at = now
            self._context.row.words[Word.STAGE] = Stage.DRAINING
            self.worker.stop(graceful=True)
        elif not is_orphan and now - self._stopped_at >= HARDEN_AFTER_S:
            self.worker.stop(graceful=False)

    def _quit(self, number: int, frame: object) -> None:
        interrupted(self._context)
        if self.worker is None:
            os._exit(0)
        if os.getppid() != self._context.arbiter_pid:
            self._end_within(_ORPHAN_SLACK_S)
        self._stopped_at = time.monotonic()
        self._context.row.words[Word.STAGE] = Stage.DRAINING
        self.worker.stop(graceful=False)

    def _reopen(self, number: int, frame: object) -> None:
        from hybrid import logs

        logs.reopen()

    def _refuse(self, number: int, frame: object) -> None:
        self._context.log.warning(
            "Ignoring signal: hup; a reload is for the arbiter (pid: %d)", self._context.arbiter_pid
        )

    @staticmethod
    def _end_within(seconds: float) -> None:
        """End the process then, whatever the interpreter is doing: this clock is a C thread that needs no GIL."""
        try:
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)
        except (OSError, RuntimeError, ValueError):  # standard error is closed: no clock, the worker's loop must do
            pass


def _do_nothing(number: int, frame: object) -> None:
    """For signals that mean something to the arbiter only."""
