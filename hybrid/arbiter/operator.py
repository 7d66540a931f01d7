"""What the operator's commands do: `hybrid status`, `reload`, `scale`, `stop`. The decisions are `decide`'s.

A command that changes something becomes an event, exactly as a signal does. Who waits for the end of it follows the
arbiter's log meanwhile: what is told them as progress is what the log says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hybrid.arbiter import actions as act
from hybrid.arbiter import events as ev
from hybrid.arbiter import route_commands
from hybrid.arbiter.control import Session
from hybrid.arbiter.crossings import Crossings
from hybrid.arbiter.migration import Migration
from hybrid.arbiter.state import Phase, State
from hybrid.errors import SettingsError


class Arbiter(Protocol):
    """What this module needs of it."""

    state: State
    crossings: Crossings
    migration: Migration

    def submit(self, event: ev.Event) -> None:
        """Decide about this event when those before it are done."""

    def upgrade(self, *, leave: bool) -> str:
        """Start a successor; "" or why not."""

    def report(self) -> dict[str, object]:
        """Everything that `hybrid status` shows."""


@dataclass(slots=True)
class _Follower:
    """A session that waits for the outcome of a reload."""

    session: Session
    after: int
    """The newest generation when it asked: the reload that it waits for makes a later one."""


@dataclass(slots=True)
class Operator:
    """One per arbiter."""

    arbiter: Arbiter
    followers: list[_Follower] = field(default_factory=list)
    stopping: list[Session] = field(default_factory=list)
    upgrading: list[Session] = field(default_factory=list)

    def handle(self, session: Session, request: dict[str, Any]) -> None:
        """One command. Whatever it is, the session is answered or kept to be."""
        command = request.get("command")
        act_on = self._commands().get(command) if isinstance(command, str) else None
        if act_on is None:
            known = ", ".join(self._commands())
            session.finish(ok=False, text=f"this arbiter knows no command {str(command)[:40]!r}; it knows {known}")
            return
        if self.arbiter.state.phase is not Phase.RUNNING and command not in ("status", "stop"):
            session.finish(ok=False, text="the arbiter is stopping")
            return
        act_on(session, request)

    def _commands(self) -> dict[str, Callable[[Session, dict[str, Any]], None]]:
        return {
            "status": self._status,
            "reload": self._reload,
            "scale": self._scale,
            "stop": self._stop,
            "upgrade": self._upgrade,
            "migration": self._migration,
            **dict.fromkeys(route_commands.COMMANDS, self._routes),
        }

    def _status(self, session: Session, request: dict[str, Any]) -> None:
        session.finish(ok=True, status=self.arbiter.report())

    def _migration(self, session: Session, request: dict[str, Any]) -> None:
        session.finish(ok=True, migration=self.arbiter.migration.facts(self.arbiter.state))

    def _reload(self, session: Session, request: dict[str, Any]) -> None:
        if request.get("wait"):
            self.followers.append(_Follower(session, self.arbiter.state.generation))
        else:
            session.finish(ok=True, text="reload ordered; `hybrid reload --wait` tells how it ends")
        self.arbiter.submit(ev.Reload("hybrid reload"))

    def _scale(self, session: Session, request: dict[str, Any]) -> None:
        pool, size = str(request.get("pool")), request.get("size")
        pools = self.arbiter.state.pools
        most = self.arbiter.state.slots // 2
        if pool not in pools:
            session.finish(ok=False, text=f"there is no pool {pool[:40]!r}; there is {', '.join(pools)}")
        elif not self._serves(pool):
            session.finish(
                ok=False,
                text=f"pool {pool} is the one worker that compares the answers of shadow traffic, and stays one; what"
                " it has no time for is dropped, and --shadow PATTERN=POOL:PERCENT copies less",
            )
        elif not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= most:
            session.finish(ok=False, text=f"size {str(size)[:40]}: expected 1 to {most} workers")
        else:
            session.finish(ok=True, text=f"Pool {pool}: {pools[pool].size} -> {size} workers")
            self.arbiter.submit(ev.Resize(pool, to=size))

    def _serves(self, pool: str) -> bool:
        """It has an application."""
        release = self.arbiter.crossings.serving
        site = release.sites.get(pool) if release is not None else None
        return site is None or site.accepts

    def _routes(self, session: Session, request: dict[str, Any]) -> None:
        try:
            text, facts = route_commands.answer(self.arbiter.crossings, request, time.time())
        except SettingsError as error:
            session.finish(ok=False, text=str(error))
            return
        session.finish(ok=True, text=text, **facts)

    def _stop(self, session: Session, request: dict[str, Any]) -> None:
        if request.get("wait"):
            self.stopping.append(session)
        else:
            session.finish(ok=True, text="stop ordered; `hybrid stop --wait` returns when it is done")
        self.arbiter.submit(ev.Stop(is_graceful=not request.get("quick")))

    def _upgrade(self, session: Session, request: dict[str, Any]) -> None:
        problem = self.arbiter.upgrade(leave=True)
        if problem:
            session.finish(ok=False, text=problem)
        elif request.get("wait"):
            self.upgrading.append(session)
        else:
            session.finish(ok=True, text="upgrade ordered; `hybrid upgrade --wait` tells how it ends")

    def upgraded(self, text: str, *, is_ok: bool) -> None:
        """The successor serves, or has ended."""
        sessions, self.upgrading = self.upgrading, []
        for session in sessions:
            session.finish(ok=is_ok, text=text)

    def told(self, text: str) -> None:
        """A line of the log that those who wait should see."""
        for follower in self.followers:
            follower.session.progress(text)
        for session in (*self.stopping, *self.upgrading):
            session.progress(text)

    def settled(self, outcome: act.Settle) -> None:
        """A reload has ended."""
        waiting = [follower for follower in self.followers if follower.after < outcome.generation]
        self.followers = [follower for follower in self.followers if follower not in waiting]
        for follower in waiting:
            follower.session.finish(
                ok=outcome.is_ok, text=outcome.text, generation=outcome.generation, traceback=outcome.traceback
            )
