"""The processes behind the children: fork, signal, reap, and the channel to each."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hybrid.arbiter.actions import Spawn
from hybrid.arbiter.events import BootFailed, Drained, Event, Exited, Ready, Retiring, Spawned, SpawnFailed
from hybrid.arbiter.listeners import own_sockets
from hybrid.arbiter.memory import pss_bytes, rss_bytes
from hybrid.arbiter.records import Remains
from hybrid.arbiter.releases import Site, is_preloaded
from hybrid.arbiter.state import Signal
from hybrid.arbiter.status import Counters
from hybrid.arbiter.unpatched import fork
from hybrid.contract import BootFailed as BootFailedMessage
from hybrid.contract import Channel, Draining, Listener, Message, Retire, Scoreboard, ScoreRow, WorkerContext, blackbox
from hybrid.contract import Ready as ReadyMessage
from hybrid.contract.messages import Decisive, Report, Started
from hybrid.contract.parent import adopt_orphans
from hybrid.contract.scoreboard import Word
from hybrid.contract.template import Order, Seat, send_order
from hybrid.contract.worker import HookObjects

if TYPE_CHECKING:
    from hybrid.contract.crossing import Crossing
    from hybrid.contract.traffic import TrafficRow

RunWorker = Callable[[WorkerContext], int]


class Outfit(NamedTuple):
    """What a worker that is forked gets from its release."""

    site: Site
    listeners: Iterable[Listener]
    pool_size: int
    hooks: HookObjects | None = None
    crossing: Crossing | None = None


@dataclass(slots=True)
class _Process:
    pid: int
    channel: Channel
    row: ScoreRow
    box: int
    """The descriptor of its black box; -1 = it has none."""
    peak_rss: int = 0
    """Bytes; known once it is reaped."""


class Unborn(NamedTuple):
    """A worker that a template was ordered to make."""

    order: Spawn
    channel: Channel
    box: int


class Children:
    """Every process that we forked and have not reaped. Single-threaded, as the whole arbiter is."""

    def __init__(
        self,
        run_worker: RunWorker,
        log: logging.Logger,
        close_ours: Callable[[], None],
        traffic: Callable[[int], TrafficRow | None],
    ) -> None:
        """`close_ours` closes in a new child what only the arbiter may hold; `traffic` gives a slot's counters."""
        self._run_worker = run_worker
        self._log = log
        self._close_ours = close_ours
        self._traffic = traffic
        self.on_report: Callable[[int, Report], None] = _unheard
        """Takes what workers only report: there is nothing in it to decide about."""
        self._processes: dict[int, _Process] = {}
        self.scoreboard = Scoreboard()
        self.templates: dict[tuple[str, int], socket.socket] = {}
        """Our end of the connection to each template, by pool and generation."""
        self.unborn: dict[int, Unborn] = {}
        """Orders to templates whose worker has not said its pid yet, by slot."""

    def spawn(self, order: Spawn, outfit: Outfit) -> Event | None:
        """Fork one worker, or have its release's template do so: then None, and the pid comes on `unborn[slot]`.

        Returns in the arbiter only.

        All signals are blocked around the fork: one that came between it and the child's own handlers
        would be eaten by ours, which the child has inherited. The child unblocks them when it has its own.
        """
        template = self.templates.get((order.pool, order.generation))
        if template is not None and self._order(order, template, outfit.pool_size):
            return None
        try:
            ours, theirs = Channel.pair()
        except OSError as error:
            return SpawnFailed(order.slot, error.strerror or str(error))
        box = _make_box()
        seat = self._make_seat(order) if is_preloaded(outfit.site.settings) else None
        row = self.scoreboard.row(order.slot)
        arbiter_pid = os.getpid()  # asked here: in the child, getppid() may already name somebody else
        _flush()
        if not gc.get_freeze_count():
            # What is ours is shared until somebody writes to it, and a worker's collector writes to all that it sees.
            gc.collect()
            gc.freeze()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            ours.close()
            theirs.close()
            _close_box(box)
            if seat is not None:
                seat.socket.close()
                self.drop_template(order.pool, order.generation)
            return SpawnFailed(order.slot, error.strerror or str(error))
        if pid == 0:
            ours.close()
            self._become_worker(order, outfit, theirs, row, arbiter_pid, box, seat)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        if seat is not None:
            seat.socket.close()
        self._processes[pid] = _Process(pid, ours, row, box)
        return Spawned(order.slot, pid)

    def _become_worker(
        self,
        order: Spawn,
        outfit: Outfit,
        channel: Channel,
        row: ScoreRow,
        arbiter_pid: int,
        box: int,
        seat: Seat | None,
    ) -> None:
        """The child's side. Never returns, whatever happens: above us on the stack is an arbiter."""
        code = 255
        try:
            started = time.monotonic()
            os.chdir(outfit.site.folder)
            self._close_ours()
            # A sibling's channel held open here would keep it from seeing the arbiter's end.
            for process in self._processes.values():
                process.channel.close()
                _close_box(process.box)
            for unborn in self.unborn.values():
                unborn.channel.close()
                _close_box(unborn.box)
            for template in self.templates.values():
                template.close()
            context = WorkerContext(
                settings=outfit.site.settings,
                pool=order.pool,
                slot=order.slot,
                generation=order.generation,
                arbiter_pid=arbiter_pid,
                listeners=own_sockets(outfit.listeners),
                channel=channel,
                row=row,
                log=self._log,
                pool_size=outfit.pool_size,
                boot_started=started,
                hooks=outfit.hooks,
                black_box=box,
                template=seat,
                crossing=outfit.crossing,
            )
            code = self._run_worker(context)
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
        except BaseException:
            traceback.print_exc()
        finally:
            leave(code)

    # templates --------------------------------------------------------------------------------------------

    def _make_seat(self, order: Spawn) -> Seat | None:
        """For the first worker of a release; orders for others wait in the socket until the template is there.

        None without descriptors for it: this worker leaves no template, the next one may.
        """
        adopt_orphans()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._log.warning("No template for generation %d: %s", order.generation, error.strerror)
            return None
        ours.setblocking(False)
        self.templates[order.pool, order.generation] = ours
        return Seat(theirs, self.scoreboard.row, self._traffic)

    def _order(self, order: Spawn, template: socket.socket, pool_size: int) -> bool:
        """False when the template is gone; the end of its socket is seen elsewhere."""
        try:
            ours, theirs = Channel.pair()
        except OSError:
            return False
        box = _make_box()
        try:
            send_order(template, Order(order.slot, pool_size, time.monotonic()), theirs.fileno(), box)
        except OSError:
            ours.close()
            _close_box(box)
            return False
        finally:
            theirs.close()
        self.unborn[order.slot] = Unborn(order, ours, box)
        return True

    def born(self, slot: int) -> list[Event]:
        """What has become of an order to a template, and what the worker has said since; nothing yet: nothing."""
        unborn = self.unborn[slot]
        messages = unborn.channel.receive()
        if messages and isinstance(messages[0], Started) and self._is_new_child(messages[0].pid):
            pid = messages[0].pid
            del self.unborn[slot]
            self._processes[pid] = _Process(pid, unborn.channel, self.scoreboard.row(slot), unborn.box)
            return [Spawned(slot, pid), *self._events(pid, messages[1:])]
        if unborn.channel.is_open:
            return []
        self.abandon(slot)
        return [SpawnFailed(slot, "the template of its release has ended")]

    def _is_new_child(self, pid: int) -> bool:
        """Is it one of ours that nobody has claimed? We shall send signals to it, and a worker may say any number."""
        return pid not in self._processes and parent_of(pid) == os.getpid()

    def abandon(self, slot: int) -> None:
        """Forget an order; what still comes of it sees its channel closed, and ends."""
        unborn = self.unborn.pop(slot, None)
        if unborn is not None:
            unborn.channel.close()
            _close_box(unborn.box)

    def drop_template(self, pool: str, generation: int) -> None:
        """Close its socket, which ends it. The caller has told the loop."""
        template = self.templates.pop((pool, generation), None)
        if template is not None:
            template.close()

    # processes --------------------------------------------------------------------------------------------

    def signal(self, pid: int, name: Signal) -> None:
        """Send a signal to a child of ours. It may be dead, but it is not reaped, so its pid is still its own."""
        if pid not in self._processes:
            return
        try:
            os.kill(pid, signal.Signals[name.value])
        except ProcessLookupError:
            pass
        except OSError as error:
            self._log.error("Cannot send %s to worker (pid: %d): %s", name.value, pid, error.strerror)

    def note_retired(self, pid: int) -> None:
        """Have a child know, before it is told to stop, that others serve on."""
        row = self.row(pid)
        if row is not None:
            row.words[Word.RETIRED] = 1

    def dump(self, pid: int) -> None:
        """Ask a child for its stacks, if it has got as far as to know how to give them."""
        if blackbox.DUMP_SIGNAL is not None and self.row(pid) is not None:
            try:
                os.kill(pid, blackbox.DUMP_SIGNAL)
            except OSError:  # dead, or of another user: the record goes without
                pass

    def remains(self, pid: int, was_oom: bool | None) -> Remains:
        """What a reaped child has left behind."""
        process, row = self._processes[pid], self.row(pid)
        return Remains(
            requests=row.in_flight() if row is not None else (),
            stacks=blackbox.read(process.box) if process.box >= 0 else "",
            peak_rss=process.peak_rss,
            connections=row.words[Word.CONNECTIONS] if row is not None else 0,
            was_oom=was_oom,
        )

    def channels(self) -> Iterator[tuple[int, Channel]]:
        """The open channels, by pid."""
        return ((process.pid, process.channel) for process in self._processes.values())

    def channel(self, pid: int) -> Channel:
        return self._processes[pid].channel

    def receive(self, pid: int) -> list[Event]:
        """What a child has said since the last time."""
        process = self._processes.get(pid)
        if process is None or not process.channel.is_open:
            return []
        return self._events(pid, process.channel.receive())

    def _events(self, pid: int, messages: Iterable[Message]) -> list[Event]:
        found = []
        for message in messages:
            if isinstance(message, Report):
                try:
                    self.on_report(pid, message)
                except (ValueError, KeyError, TypeError, AttributeError) as error:  # what is nested in it is anything
                    self._log.debug("Worker (pid: %d) reported nonsense: %r", pid, error)
            else:
                found.append(_event(pid, message))
        return found

    def beats(self) -> dict[int, float]:
        """The latest beats, by pid. A row still of its last owner says nothing about the new one."""
        return {
            pid: process.row.floats[Word.BEAT]
            for pid, process in self._processes.items()
            if process.row.words[Word.PID] == pid
        }

    def memory(self, pid: int, above: int) -> int:
        """Bytes that a child uses. What it shares is counted in full first: only if that is too much, by share."""
        rss = rss_bytes(pid)
        return rss if rss <= above else pss_bytes(pid)

    def counters(self) -> dict[int, Counters]:
        """What the rows say of those that have taken theirs, by pid."""
        return {pid: _counters(process.row, pid) for pid, process in self._processes.items() if self.row(pid)}

    def row(self, pid: int) -> ScoreRow | None:
        """The row of a child that is not reaped yet and has taken it."""
        process = self._processes.get(pid)
        return process.row if process is not None and process.row.words[Word.PID] == pid else None

    def reap(self) -> Iterator[tuple[int, int]]:
        """Every process that ended, ours or adopted (as PID 1 we are given orphans), with its wait status.

        `forget` each that was a worker, once its row and channel have been read to the end.
        """
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._processes:
                self._processes[pid].peak_rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            yield pid, status

    def is_ours(self, pid: int) -> bool:
        return pid in self._processes

    def forget(self, pid: int) -> None:
        """Close what is left of a reaped child."""
        process = self._processes.pop(pid, None)
        if process is not None:
            process.channel.close()
            _close_box(process.box)


def parent_of(pid: int) -> int:
    """The parent of a process that may be a zombie; 0 if there is none or this cannot be known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _make_box() -> int:
    try:
        return blackbox.make()
    except OSError:  # no descriptors: a worker without one is better than none
        return -1


def _close_box(box: int) -> None:
    if box >= 0:
        os.close(box)


def _counters(row: ScoreRow, pid: int) -> Counters:
    words, floats = row.words, row.floats
    return Counters(
        started=floats[Word.STARTED],
        requests=words[Word.REQUESTS],
        errors=words[Word.ERRORS],
        shed=words[Word.SHED],
        active=words[Word.ACTIVE],
        connections=words[Word.CONNECTIONS],
        capacity=words[Word.CAPACITY],
        loop_lag_s=floats[Word.LOOP_LAG],
        rss_bytes=rss_bytes(pid),
        in_flight=row.in_flight(),
    )


def exited(pid: int, status: int) -> Exited:
    """The event for a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return Exited(pid, signal=signal.Signals(number).name)
        except ValueError:  # a real-time signal has no name
            return Exited(pid, signal=f"signal {number}")
    return Exited(pid, code=os.WEXITSTATUS(status))


def leave(code: int) -> None:
    """End a forked process without unwinding the arbiter's stack below it.

    What a normal end of the interpreter does for the application is done: threads that are not daemons
    are joined, atexit functions run, standard output is flushed.
    """
    try:
        join_threads = getattr(threading, "_shutdown", None)  # what multiprocessing's children call, too
        if join_threads is not None:
            join_threads()
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, a broken pipe, or none at all
            pass


def _unheard(pid: int, report: Report) -> None:
    """Before anybody wants to know."""


def _event(pid: int, message: Decisive) -> Event:
    match message:
        case Started():
            return Spawned(-1, message.pid)  # known already: nobody has this slot
        case ReadyMessage():
            return Ready(pid, message.app, message.serves_websocket)
        case BootFailedMessage():
            return BootFailed(pid, message.exit_code, message.reason, message.traceback)
        case Retire():
            return Retiring(pid, message.reason)
        case Draining():
            return Drained(pid, message.reason)
