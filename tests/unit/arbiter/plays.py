"""Scenarios for the supervisor: `play(state).on(event).does(actions)`.

Log lines (Say, LogDeath, LogSilence) and what only others hear (Announce, Settle) are left out of `does`, unless
it names some itself; `.says(...)` looks for a text among them.
"""

from __future__ import annotations

from dataclasses import replace

from hybrid.arbiter.actions import Action, Announce, Discard, Dump, LogDeath, LogSilence, Say, Settle, Spawn
from hybrid.arbiter.events import Event, Loaded, Ready, Spawned, Tick
from hybrid.arbiter.state import Plan, State
from hybrid.arbiter.supervisor import decide, next_wakeup

QUIET = (Say, LogDeath, LogSilence, Announce, Discard, Settle, Dump)


class Play:
    """A state, a clock that starts at 1000.0, and what the last event made the arbiter do."""

    def __init__(self, state: State | None = None, now: float = 1000.0) -> None:
        self.state = state or State()
        self.now = now
        self.actions: list[Action] = []
        self.before = self.state

    def on(self, *events: Event) -> Play:
        """Let these happen now."""
        self.before, self.actions = self.state, []
        for event in events:
            self.state, actions = decide(self.state, event, self.now)
            self.actions += actions
        return self

    def after(self, seconds: float, beating: tuple[int, ...] = (), paused_s: float = 0.0) -> Play:
        """Let time pass; these pids beat to the end of it."""
        self.now += seconds
        return self.on(Tick(dict.fromkeys(beating, self.now), paused_s))

    def does(self, *expected: Action) -> Play:
        """Exactly these, in this order."""
        named = tuple(type(action) for action in expected)
        quiet = tuple(kind for kind in QUIET if kind not in named)
        did = [action for action in self.actions if not isinstance(action, quiet)]
        kinds = tuple(type(action) for action in did)  # named tuples of two kinds may be equal
        assert (kinds, did) == (named, list(expected)), (
            f"\nexpected {list(expected)}\ndid      {did}\nin       {self.state}"
        )
        return self

    def says(self, *texts: str) -> Play:
        """Among the log lines there is one with each of these texts."""
        said = [action.text for action in self.actions if isinstance(action, Say)]
        for text in texts:
            assert any(text in line for line in said), f"{text!r} is not in {said}"
        return self

    def says_nothing_of(self, text: str) -> Play:
        said = [action.text for action in self.actions if isinstance(action, Say)]
        assert not any(text in line for line in said), said
        return self

    def wakes_in(self, seconds: float | None) -> Play:
        wakeup = next_wakeup(self.state)
        assert (None if wakeup is None else round(wakeup - self.now, 6)) == seconds
        return self

    def spawned(self, *pids: int) -> Play:
        """Answer the spawns that were just ordered with these pids, in order."""
        orders = [action for action in self.actions if isinstance(action, Spawn)]
        assert len(orders) == len(pids), orders
        return self.on(*(Spawned(order.slot, pid) for order, pid in zip(orders, pids, strict=True)))


def loaded(workers: int = 2, **plan: object) -> Play:
    """An arbiter that has just ordered its first children."""
    return Play().on(Loaded(0, {"main": Plan(size=workers, **plan)}))  # type: ignore[arg-type]


def ready_workers(*pids: int, **plan: object) -> Play:
    """An arbiter whose children with these pids have been ready for a minute, and beat a moment ago."""
    play = loaded(len(pids), **plan).spawned(*pids).on(*(Ready(pid) for pid in pids))
    return play.after(60.0, beating=pids, paused_s=60.0)


def reloaded(play: Play, **plan: object) -> Play:
    """A reload of which the settings could be read."""
    from hybrid.arbiter.events import Reload

    play.on(Reload())
    old = next(iter(play.state.pools.values())).plan
    return play.on(Loaded(play.state.generation, {"main": replace(old, **plan)}))  # type: ignore[arg-type]
