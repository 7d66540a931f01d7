"""The arbiter's shell: turn what happened into events, let `decide` decide, perform the actions.

No rule is in here. Every method is one effect, or the order of a few.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping

import hybrid
from hybrid import logs
from hybrid.arbiter import actions as act
from hybrid.arbiter import events as ev
from hybrid.arbiter import records, reexec
from hybrid.arbiter.backlog import BacklogMeter
from hybrid.arbiter.births import Births
from hybrid.arbiter.children import Children, Outfit, RunWorker, exited
from hybrid.arbiter.classes import WorkerClasses
from hybrid.arbiter.control import ControlServer
from hybrid.arbiter.crossings import Crossings
from hybrid.arbiter.fdstore import FdStore, Passed, take_passed
from hybrid.arbiter.hooks import ServerHooks
from hybrid.arbiter.listeners import Listeners
from hybrid.arbiter.loop import Loop
from hybrid.arbiter.migration import Migration
from hybrid.arbiter.notify import Notifier
from hybrid.arbiter.oom import OomKills
from hybrid.arbiter.operator import Operator
from hybrid.arbiter.pidfile import Pidfile
from hybrid.arbiter.reexec import SUFFIX, Inheritance
from hybrid.arbiter.releases import MAIN, SHADOW, Release, enter, open_logs, sites_of
from hybrid.arbiter.state import Phase, Stage, State
from hybrid.arbiter.status import describe
from hybrid.arbiter.supervisor import decide, next_wakeup
from hybrid.arbiter.upgrade import Upgrade
from hybrid.arbiter.watcher import Watcher
from hybrid.contract.messages import Report
from hybrid.contract.scoreboard import InFlight
from hybrid.contract.title import set_title
from hybrid.control.address import OFF
from hybrid.errors import SettingsError
from hybrid.settings import Settings, start_folder

LoadSettings = Callable[[], Settings]
_DEATHS_KEPT = 50

_COMMANDS: dict[int, ev.Event] = {
    signal.SIGTERM: ev.Stop(is_graceful=True),
    signal.SIGINT: ev.Stop(is_graceful=False),
    signal.SIGQUIT: ev.Stop(is_graceful=False),
    signal.SIGHUP: ev.Reload(),
    signal.SIGUSR1: ev.Command.REOPEN,
    signal.SIGTTIN: ev.Resize(MAIN, 1),
    signal.SIGTTOU: ev.Resize(MAIN, -1),
}


def run_arbiter(load_settings: LoadSettings, run_worker: RunWorker) -> int:
    """Serve until told to stop; returns the exit code of the process. Must be called on the main thread.

    `load_settings` is called now and at each reload. Raises SettingsError for what cannot even be begun with:
    settings, an address in use, a pidfile that cannot be written.
    """
    inheritance = reexec.take(os.environ, os.getppid())
    start_dir = start_folder()
    settings = load_settings()
    enter(start_dir, settings)
    log = open_logs(settings)
    set_title("arbiter", settings)
    loop = Loop()
    try:
        arbiter = Arbiter(load_settings, run_worker, loop, log, start_dir, inheritance)
        try:
            arbiter.start(settings)
            return arbiter.run()
        finally:
            arbiter.close()
    finally:
        loop.close()


class Arbiter:
    """The process. Holds everything that has a descriptor; what it knows is in `state`."""

    def __init__(
        self,
        load_settings: LoadSettings,
        run_worker: RunWorker,
        loop: Loop,
        log: logging.Logger,
        start_dir: str,
        inheritance: Inheritance | None = None,
    ) -> None:
        self._load_settings = load_settings
        self._start_dir = start_dir
        self._loop = loop
        self._log = log
        self._notifier = Notifier()
        passed = Passed() if inheritance else take_passed(os.environ, os.getpid())
        self._listeners = Listeners(log, self._pause, inheritance, passed)
        self._upgrade = Upgrade(self, loop, log, self._listeners, inheritance, start_dir)
        self._fdstore = FdStore(self._notifier, os.environ, passed.stored)
        self._children = Children(run_worker, log, self._close_in_child, lambda slot: self.crossings.row(slot))
        self.crossings: Crossings = Crossings(log, self._children.scoreboard.rows, self.say)
        self.crossings.routes.inherit(inheritance.routes if inheritance else "")
        self.migration = Migration(self.crossings, log, self._children.row)
        self._children.on_report = self._keep_report
        self._hooks = ServerHooks(log)
        self._births = Births(loop, log, self._children, self._hooks, self.submit, self._is_good)
        self._backlog = BacklogMeter(log)
        self._classes = WorkerClasses(log)
        self._counted = 0
        self._is_daemon = False
        self._releases: dict[int, Release] = {}
        self._pidfile: Pidfile | None = None
        self._watcher: Watcher | None = None
        self._pending: deque[ev.Event] = deque()
        self._exit_code: int | None = None
        self._oom = OomKills()
        self._deaths: deque[records.Death] = deque(maxlen=_DEATHS_KEPT)
        self._started = self._watchdog_at = time.monotonic()
        self._operator = Operator(self)
        self._control = ControlServer(loop, self._operator.handle, log)
        self.state = State(slots=self._children.scoreboard.rows, seed=random.random())

    # life -------------------------------------------------------------------------------------------------

    def start(self, settings: Settings) -> None:
        """Everything before the first fork. Raises SettingsError."""
        self._log.info("Starting hybrid %s", hybrid.__version__)
        sites, routes = sites_of(settings, self._start_dir)
        self._write_pidfile(settings)
        self._is_daemon = settings.daemon
        self._hooks.starting(settings)
        listeners = self._listeners.open(settings)
        release = Release(0, settings, listeners, sites, routes)
        self.crossings.adopt(release)
        self._adopt(release)
        self._hooks.ready(listeners.values())
        is_path = settings.control_socket not in ("", OFF)
        self._control.open(settings.control_socket + (self._upgrade.suffix if is_path else ""))
        self._upgrade.begin()
        if settings.reload:
            self._watch_files(settings)
        self._pending.append(ev.Loaded(0, release.plans()))

    def run(self) -> int:
        """Until an Exit action."""
        while self._exit_code is None:
            while self._pending and self._exit_code is None:
                self._step(self._pending.popleft())
            if self._exit_code is None:
                self._collect()
        self._log.info("Shutting down: Master")
        self._hooks.ending()
        return self._exit_code

    def close(self) -> None:
        """Give back what outlives a process: the socket files and the pidfile."""
        if self._watcher is not None:
            self._watcher.stop()
        self._listeners.close_all_but(())
        if self._pidfile is not None:
            self._pidfile.remove()
        self._control.close()  # the last: whoever waits for our end sees it here

    def submit(self, event: ev.Event) -> None:
        """Decide about this event when those before it are done."""
        self._pending.append(event)

    def report(self) -> dict[str, object]:
        """Everything that `hybrid status` shows. Reads the scoreboard and /proc; asks no worker."""
        newest = self._releases.get(max(self._releases, default=0))
        return describe(
            self.state,
            self._children.counters(),
            time.monotonic(),
            deaths=[death.as_json(time.monotonic()) for death in self._deaths],
            pid=os.getpid(),
            version=hybrid.__version__,
            uptime_s=round(time.monotonic() - self._started, 3),
            app=newest.apps if newest else "",
            listeners=[listener.address for listener in newest.listeners.values()] if newest else [],
            routes=[str(route) for route in self.crossings.routes.current],
            fuses=self.migration.blown,
            sites={name: site.settings for name, site in newest.sites.items()} if newest else {},
        )

    def _step(self, event: ev.Event) -> None:
        if isinstance(event, ev.Ready) and (child := self.state.child_of(event.pid)) is not None:
            self.crossings.heard(child.pool, serves_websocket=event.serves_websocket)
            self._classes.ready(self._releases.get(child.generation), child, event.detail)
        self.state, actions = decide(self.state, event, time.monotonic())
        self.crossings.observe(self.state, self._releases.values())
        for action in actions:
            self._perform(action)
        self._upgrade.look()
        if len(self.state.children) != self._counted:
            self._counted = len(self.state.children)
            logs.gauge("gunicorn.workers", self._counted)
        if isinstance(event, ev.Resize) and event.pool in self.state.pools:
            self._hooks.resized(self.state.pools[event.pool].size)

    # what happened ----------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Wait, then queue everything that happened, a Tick last."""
        until = self.migration.look(self.state, next_wakeup(self.state), time.monotonic())
        woken = self._loop.wait(self._measure_at(self._notice_at(until)))
        for number in woken.signals:
            self._take_signal(number)
        for callback in woken.readable:
            callback()
        self._reap()
        self._pending.append(ev.Tick(self._children.beats(), paused_s=woken.late_s))

    def _take_signal(self, number: int) -> None:
        command = _COMMANDS.get(number)
        if number == signal.SIGWINCH and (self._is_daemon or self._upgrade.successor_pid):
            command = ev.Command.REST
        if number == signal.SIGUSR2:
            self._log.info("Handling signal: usr2")
            problem = self.upgrade(leave=False)
            if problem:
                self._log.error("%s", problem)
            return
        if command is None:  # SIGCHLD, or a terminal that changed its size: nobody ordered anything
            return
        if isinstance(command, ev.Resize) and command.pool not in self.state.pools:
            command = ev.Resize(next(iter(self.state.pools), MAIN), command.by)  # APP is not among the pools
        if number == signal.SIGHUP and command in self._pending:  # a flood of them is one wish
            return
        self._log.info("Handling signal: %s", signal.Signals(number).name.removeprefix("SIG").lower())
        if number == signal.SIGHUP:
            self._log.info("Hang up: Master")
        self._pending.append(command)

    def _reap(self) -> None:
        self._births.await_all()
        for pid, status in self._children.reap():
            if self._children.is_ours(pid):
                # What it said before it died comes first: it may be the reason.
                self._pending.extend(self._children.receive(pid))
                self._pending.append(exited(pid, status))
            elif pid == self._upgrade.successor_pid:
                self._upgrade.lose(exited(pid, status))
            elif self._watcher is not None and pid == self._watcher.pid:
                self._log.error("The file watcher ended; files are no longer watched. Restart to watch again.")
                self._stop_watching()
            else:
                self._log.debug("Reaped a process that is no worker (pid: %d)", pid)

    def _keep_report(self, pid: int, report: Report) -> None:
        child = self.state.child_of(pid)
        if child is not None:
            self.migration.heard(child.pool, report)

    def _see_changes(self) -> None:
        if self._watcher is None:
            return
        lines = self._watcher.receive()
        if "" in lines:
            self._log.info("Watching %s for changes", ", ".join(self._watcher.folders))
        changed = [line for line in lines if line]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            self._log.info("Reloading: %s changed%s", os.path.relpath(changed[0]), more)
            self._pending.append(ev.Reload("a file changed"))
        elif not lines:
            self._loop.forget(self._watcher.fileno())

    # what to do -------------------------------------------------------------------------------------------

    def _perform(self, action: act.Action) -> None:
        match action:
            case act.Load():
                self._pending.append(self._load(action.generation))
            case act.Spawn():
                self._spawn(action)
            case act.Abandon():
                self._births.abandon(action.slot)
            case act.Kill():
                if self.state.phase is Phase.RUNNING or self._upgrade.successor_pid:
                    self._children.note_retired(action.pid)
                self._children.signal(action.pid, action.signal)
            case act.Measure():
                memory = {pid: self._children.memory(pid, action.above) for pid in action.pids}
                self._pending.append(ev.Measured(memory))
            case act.Dump():
                self._children.dump(action.pid)
            case act.Discard():
                self._discard(action.generation)
            case act.Simple.CLOSE_LISTENERS:
                self._listeners.close_all_but(())
            case act.Simple.REOPEN_LOGS:
                logs.reopen()
            case act.Announce():
                self._announce(action.state)
            case act.Say():
                self._log.log(action.level, "%s", action.text)
                if action.level >= act.Level.INFO:
                    self._operator.told(action.text)
            case act.Settle():
                self._operator.settled(action)
            case act.LogSilence():
                now = time.monotonic()
                self._log.critical(
                    "%s", records.silence(action.child, action.silent_s, self._in_flight(action.child.pid), now)
                )
            case act.LogDeath():
                self._log_death(action)
            case act.Exit():
                self._exit_code = action.code

    def _spawn(self, order: act.Spawn) -> None:
        release = self._releases[order.generation]
        site = release.sites[order.pool]
        listeners = tuple(release.listeners.values()) if site.accepts else ()
        row = self._children.scoreboard.row(order.slot)
        try:
            objects = self._hooks.forking(site.settings, listeners, row)
        except SettingsError as error:
            self._pending.append(ev.SpawnFailed(order.slot, str(error)))
            return
        crossing = self.crossings.crossing(release, order.pool, order.slot)
        size = self.state.pools[order.pool].size
        self._births.spawn(order, Outfit(site, listeners, size, objects, crossing))

    def _log_death(self, order: act.LogDeath) -> None:
        pid = order.child.pid
        was_oom = order.signal == "SIGKILL" and self._oom.take() if self._oom.is_known else None
        remains = self._children.remains(pid, was_oom)
        death = records.death(order.child, order.code, order.signal, remains, time.monotonic())
        self._log.log(death.level, "%s", f"{death.text}\n{death.stacks}" if death.stacks else death.text)
        if death.kind != "told":
            self._deaths.append(death)
            self.migration.died(order.child.pool, remains.requests)
        self._loop.forget(self._children.channel(pid).fileno())
        self._children.forget(pid)
        self._hooks.exited(pid)

    def _in_flight(self, pid: int) -> list[InFlight]:
        row = self._children.row(pid)
        return row.in_flight() if row is not None else []

    # releases ---------------------------------------------------------------------------------------------

    def _load(self, generation: int) -> ev.Event:
        """Everything that a reload may refuse. It waits for nothing: an address in use is refused at once."""
        try:
            os.chdir(self._start_dir)
            settings = self._load_settings()
            enter(self._start_dir, settings)
            sites, routes = sites_of(settings, self._start_dir)
            listeners = self._listeners.open(settings, tries=1)
            release = Release(generation, settings, listeners, sites, routes)
            self.crossings.adopt(release)
            self._write_pidfile(settings)
            open_logs(settings)
            self._hooks.reloading(settings, listeners.values())
        except SettingsError as error:
            self._close_unused()
            return ev.LoadFailed(generation, str(error))
        except Exception as error:  # a settings file is a program of the user's, and may raise anything
            self._close_unused()
            self._log.exception("The settings cannot be loaded")
            return ev.LoadFailed(generation, f"{type(error).__name__}: {error}")
        self._adopt(release)
        return ev.Loaded(generation, release.plans())

    def _adopt(self, release: Release) -> None:
        """Keep it, and say what is new about it."""
        before = self._releases.get(max(self._releases, default=0))
        self._releases[release.generation] = release
        if before is None or before.listeners.keys() != release.listeners.keys():
            addresses = ",".join(listener.address for listener in release.listeners.values())
            self._log.info("Listening at: %s (%d)", addresses, os.getpid())
        self._classes.adopt(release)
        self._fdstore.keep(self._listeners.sockets_to_store())

    def _discard(self, generation: int) -> None:
        self._births.discard(generation)
        self._releases.pop(generation, None)
        self._close_unused()

    def _close_unused(self) -> None:
        kept = {key for release in self._releases.values() for key in release.listeners}
        for address in self._listeners.close_all_but(kept):
            self._log.info("No longer listening at: %s", address)
        self._fdstore.keep(self._listeners.sockets_to_store())

    def _write_pidfile(self, settings: Settings) -> None:
        if not settings.pidfile:
            return
        fresh = Pidfile(settings.pidfile + self._upgrade.suffix)
        fresh.write()
        if self._pidfile is not None and self._pidfile.path != fresh.path:
            self._pidfile.remove()
        self._pidfile = fresh

    # binary upgrade ---------------------------------------------------------------------------------------

    def upgrade(self, *, leave: bool) -> str:
        """Start a successor; "" or why not. `leave`: stop when all its workers are ready."""
        return self._upgrade.start(leave=leave)

    def bequeath(self) -> tuple[Inheritance, Mapping[str, str]]:
        """What a successor gets, and its environment. Raises OSError."""
        inheritance = self._listeners.inheritance(os.getpid())._replace(routes=self.crossings.routes.bequeath())
        return inheritance, {**os.environ, **self._notifier.environ}

    def executing(self) -> None:
        """In the process that becomes a successor, before it does."""
        self._hooks.executing()

    def upgraded(self, text: str, *, is_ok: bool) -> None:
        """A successor serves, or has ended."""
        if not is_ok:
            self._fdstore.keep_anew(self._listeners.sockets_to_store())
        self._operator.upgraded(text, is_ok=is_ok)

    def take_over(self) -> None:
        """The predecessor is gone: what both had is ours, under its own name."""
        for moved in (self._pidfile, self._control):
            if moved is not None:
                moved.move(moved.path.removesuffix(SUFFIX))

    def say(self, text: str) -> None:
        """Log it, and tell whoever waits for a command to end."""
        self._log.info("%s", text)
        self._operator.told(text)

    # the service manager ----------------------------------------------------------------------------------

    def _announce(self, state: str) -> None:
        if state == "RELOADING=1":
            self._notifier.tell(state, f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        elif state == "STOPPING=1" and self._upgrade.successor_pid:
            self._notifier.tell(f"MAINPID={self._upgrade.successor_pid}")  # the service goes on, in another process
        else:
            self._notifier.tell(state)

    def _notice_at(self, until: float | None) -> float | None:
        """Send the sign of life that the manager wants, if workers serve; when to wake for the next, at the latest."""
        period = self._notifier.watchdog_s
        if not period:
            return until
        now = time.monotonic()
        if now >= self._watchdog_at:
            # One pool that serves is enough: the manager would end that too, for one that cannot boot.
            pools = [pool for pool in self.state.pools.values() if pool.size and pool.name != SHADOW]
            is_serving = not pools or any(self._serves(pool.name) for pool in pools)
            if self.state.phase is not Phase.RUNNING or is_serving:
                self._notifier.tell("WATCHDOG=1")
            self._watchdog_at = now + period
        return self._watchdog_at if until is None else min(until, self._watchdog_at)

    def _measure_at(self, until: float | None) -> float | None:
        """Tell how many connections wait for accept, if anybody wants to know; when to wake, at the latest."""
        newest = self._releases.get(max(self._releases, default=0))
        if newest is None or not newest.settings.enable_backlog_metric:
            return until
        return self._backlog.look([one.socket for one in newest.listeners.values()], until, time.monotonic())

    def _is_good(self, pool: str, generation: int) -> bool:
        return pool in self.state.pools and self.state.pools[pool].good == generation

    def _serves(self, pool: str) -> bool:
        return any(child.stage is Stage.READY for child in self.state.of_pool(pool))

    # parts ------------------------------------------------------------------------------------------------

    def _watch_files(self, settings: Settings) -> None:
        self._watcher = Watcher(settings, self._close_in_child)
        self._loop.watch(self._watcher.fileno(), self._see_changes)

    def _stop_watching(self) -> None:
        if self._watcher is not None:
            self._loop.forget(self._watcher.fileno())
            self._watcher.stop()
            self._watcher = None

    def _pause(self, seconds: float) -> bool:
        """Wait before the loop runs. True if a signal that ends us came meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for number in self._loop.wait(until).signals:
                if isinstance(_COMMANDS.get(number), ev.Stop):
                    return True
        return False

    def _close_in_child(self) -> None:
        """Close, in a process that we just forked, what only the arbiter may hold."""
        self._loop.close()
        self._control.close_in_child()
        self._upgrade.close_in_child()
        if self._watcher is not None:
            os.close(self._watcher.fileno())
