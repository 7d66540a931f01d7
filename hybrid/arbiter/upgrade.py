"""A binary upgrade as one arbiter sees it: the successor that it starts, or the predecessor that started it.

`reexec` has the two processes; here is what their coming and going means. The sockets' files belong to the survivor, so
none is removed while there are two.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Protocol

from hybrid.arbiter import events as ev
from hybrid.arbiter.listeners import Listeners
from hybrid.arbiter.loop import Loop
from hybrid.arbiter.reexec import SUFFIX, Inheritance, Predecessor, Successor
from hybrid.arbiter.state import Phase, Stage, State


class Arbiter(Protocol):
    """What this module needs of it."""

    state: State

    def submit(self, event: ev.Event) -> None:
        """Decide about this event when those before it are done."""

    def bequeath(self) -> tuple[Inheritance, Mapping[str, str]]:
        """What a successor gets, and its environment. Raises OSError."""

    def executing(self) -> None:
        """In the process that becomes the successor, before it does."""

    def say(self, text: str) -> None:
        """Log it, and tell whoever waits for a command to end."""

    def upgraded(self, text: str, *, is_ok: bool) -> None:
        """A successor serves, or has ended."""

    def take_over(self) -> None:
        """The predecessor is gone: what both had is ours, under its own name."""


class Upgrade:
    """One per arbiter."""

    def __init__(
        self,
        arbiter: Arbiter,
        loop: Loop,
        log: logging.Logger,
        listeners: Listeners,
        inheritance: Inheritance | None,
        start_dir: str,
    ) -> None:
        self._arbiter = arbiter
        self._loop = loop
        self._log = log
        self._listeners = listeners
        self._start_dir = start_dir
        self._predecessor = Predecessor(inheritance) if inheritance else None
        self._successor: Successor | None = None

    @property
    def suffix(self) -> str:
        """What our files have at the end of their names, as long as there is a predecessor."""
        return SUFFIX if self._predecessor is not None else ""

    @property
    def successor_pid(self) -> int:
        """0: there is none."""
        return self._successor.pid if self._successor is not None else 0

    def begin(self) -> None:
        """Watch for the end of the predecessor, if there is one."""
        if self._predecessor is not None:
            self._loop.watch(self._predecessor.fileno(), self._inherit)

    def start(self, *, leave: bool) -> str:
        """Start a successor; "" or why not. `leave`: stop when all its workers are ready."""
        if self._predecessor is not None:
            return f"Upgrade failed: the arbiter before this one (pid {self._predecessor.pid}) is still there"
        if self._successor is not None:
            return f"Upgrade failed: there is a new arbiter already (pid {self._successor.pid})"
        try:
            inheritance, environ = self._arbiter.bequeath()
            prepare = self._arbiter.executing
            self._successor = Successor(inheritance, self._start_dir, environ, leave=leave, prepare=prepare)
        except OSError as error:
            return f"Upgrade failed: cannot start a new arbiter: {error.strerror}"
        self._listeners.keeps_files = True
        self._loop.watch(self._successor.fileno(), self._hear)
        self._arbiter.say(f"Upgrade: started a new arbiter (pid {self._successor.pid})")
        return ""

    def look(self) -> None:
        """Something was decided: have the predecessor know when all our workers are ready."""
        if self._predecessor is not None and _is_whole(self._arbiter.state):
            self._predecessor.tell_ready()

    def lose(self, end: ev.Exited) -> None:
        """The successor was reaped."""
        assert self._successor is not None, "a successor is reaped once"
        pid = self._successor.pid
        self._loop.forget(self._successor.fileno())
        self._successor.close()
        self._successor = None
        self._listeners.keeps_files = False
        how = f"was sent {end.signal}" if end.signal else f"ended with code {end.code}"
        text = f"Upgrade failed: the new arbiter (pid {pid}) {how}; pid {os.getpid()} serves on"
        self._log.error("%s", text)
        self._arbiter.upgraded(f"{text}. Its log says why", is_ok=False)

    def close_in_child(self) -> None:
        """Close, in a process that we just forked, our ends of the links."""
        for other in (self._predecessor, self._successor):
            if other is not None:
                other.close()

    def _hear(self) -> None:
        successor = self._successor
        if successor is None:
            return
        if not successor.receive():
            self._loop.forget(successor.fileno())  # what it means is said when it is reaped
        if successor.is_ready and successor.leave and self._arbiter.state.phase is Phase.RUNNING:
            text = f"Upgraded: the arbiter with pid {successor.pid} serves, the one with pid {os.getpid()} stops"
            self._arbiter.say(text)
            self._arbiter.upgraded(text, is_ok=True)
            self._arbiter.submit(ev.Stop(is_graceful=True))

    def _inherit(self) -> None:
        """The predecessor is gone."""
        if self._predecessor is None:
            return
        pid = self._predecessor.pid
        self._loop.forget(self._predecessor.fileno())
        self._predecessor.close()
        self._predecessor = None
        self._listeners.keeps_files = False
        self._arbiter.take_over()
        self._log.info("The arbiter before this one (pid %d) is gone", pid)


def _is_whole(state: State) -> bool:
    """Every pool has all the workers that it shall have."""
    pools = state.pools.values()
    return bool(pools) and all(
        sum(child.stage is Stage.READY for child in state.of_pool(pool.name)) >= pool.size for pool in pools
    )
