"""What the arbiter knows, as values: pools, their children, and how far a stop has got.

Pure data. Everything here is immutable; `supervisor.decide` gives back a changed copy. Nothing here knows
of a process, a socket or a clock: times are monotonic seconds that the shell passed in.

A child is known by its slot, because the slot exists before the process does: from the moment that a spawn
is ordered until the exit is reaped, the slot is taken and no second child can be put in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum, StrEnum

from hybrid.arbiter.policy import Backoff

NEVER = -1
"""The generation number of "none yet"."""


class Signal(StrEnum):
    """The signals that the arbiter sends, by name: the number is a matter of the platform, so of the shell."""

    TERM = "SIGTERM"
    QUIT = "SIGQUIT"
    ABRT = "SIGABRT"
    KILL = "SIGKILL"
    USR1 = "SIGUSR1"


class Stage(Enum):
    """Of a child. A child that is gone is no longer in the state."""

    SPAWNING = "spawning"
    """The fork is ordered, the pid not known yet."""
    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    """It was told to go, or says that it goes: no capacity any more."""


class Phase(IntEnum):
    """Of the arbiter; it only ever grows."""

    RUNNING = 0
    GRACEFUL = 1
    """Requests under way may finish, within the graceful time."""
    QUICK = 2
    """They may not."""
    KILLING = 3
    ENDED = 4
    """The Exit action is out; nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one generation's settings ask of a pool. Seconds; 0 switches a deadline off."""

    size: int
    timeout_s: float = 30.0
    boot_timeout_s: float = 120.0
    graceful_timeout_s: float = 30.0
    drain_delay_s: float = 0.0
    """What a child gets above that when the whole server stops."""
    surge: int = 0
    """How many children above `size` may exist, retiring ones not counted, while others are replaced; 0 = `size`."""
    max_memory: int = 0
    """Bytes above which a worker is replaced once its successor is ready."""
    hard_memory: int = 0
    """Bytes above which it is killed."""
    lifetime_s: float = 0.0
    intensity: int = 5
    """So many deaths within `period_s` make the pool degraded."""
    period_s: float = 60.0
    is_preloaded: bool = False
    """Workers are forked from a template that the first worker of a generation leaves behind: it boots alone."""
    waits_for_fix: bool = False
    """A first generation that cannot boot is waited for (`--reload`) instead of ending the arbiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The arbiter's record of one worker."""

    pool: str
    slot: int
    generation: int
    plan: Plan
    """The plan it was spawned under: its deadlines do not change when the settings do."""
    stage: Stage = Stage.SPAWNING
    since: float
    """When the stage began."""
    pid: int = 0
    beat: float = 0.0
    ready_at: float | None = None
    recycle_at: float | None = None
    """When it has served for long enough."""
    retire: str = ""
    """Why it should be replaced once a successor is ready; "" = it should not."""
    sent: Signal | None = None
    """The hardest of the signals that we sent to make it end."""
    why: str = ""
    """Why we sent it."""
    deadline: float | None = None
    """When SIGKILL follows."""
    is_dumped: bool = False
    """It was asked for its stacks, because SIGKILL is near."""
    has_failed: bool = False
    """It reported that it cannot boot, and the report has been acted upon."""

    @property
    def is_staying(self) -> bool:
        """Nobody asked it to go and it has not said that it goes."""
        return self.stage is not Stage.DRAINING and self.deadline is None and self.sent is None and not self.has_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A set of workers of one class serving one app."""

    name: str
    plan: Plan
    size: int
    """The serving plan's, until TTIN, TTOU or a resize change it; a reload sets it back once it has come up."""
    generation: int = 0
    """What new children are made of."""
    good: int = NEVER
    """The last generation that showed that it can serve; equal to `generation` unless a reload is on trial."""
    good_plan: Plan | None = None
    backoff: Backoff = field(default_factory=Backoff)
    """What holds the next spawn up: of the rows below the one that lasts longest."""
    rows: Mapping[str, Backoff] = field(default_factory=dict)
    """Deaths in a row by their cause: a worker that somebody killed says nothing about one that cannot boot."""
    deaths: tuple[float, ...] = ()
    """When workers died that nobody had told to go, within the plan's period."""
    is_degraded: bool = False
    """They died so often that it was said; until it has been whole for a while."""
    is_blocked: bool = False
    """Spawns nothing until the next reload."""
    is_leaving: bool = False
    """No settings name it any more: it is forgotten with its last child."""
    traceback: str = ""
    """The last one logged, so that four workers with one mistake log it once."""

    @property
    def is_on_trial(self) -> bool:
        """A reload that has not been passed yet, while an older generation serves."""
        return self.good not in (NEVER, self.generation)

    @property
    def serving(self) -> int:
        """The generation that the pool keeps at its size: the new one only once it has shown that it boots."""
        return self.good if self.is_on_trial else self.generation

    @property
    def serving_plan(self) -> Plan:
        """The plan of the serving generation."""
        return self.good_plan if self.is_on_trial and self.good_plan is not None else self.plan


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of it."""

    pools: Mapping[str, Pool] = field(default_factory=dict)
    children: Mapping[int, Child] = field(default_factory=dict)
    """By slot."""
    phase: Phase = Phase.RUNNING
    exit_code: int = 0
    generation: int = 0
    """The newest generation number given out."""
    trial: int = NEVER
    """The generation of a reload whose outcome nobody knows yet."""
    leaving: frozenset[str] = frozenset()
    """The pools that the settings on trial no longer have: they serve until the trial has been passed."""
    releases: frozenset[int] = frozenset()
    """The generations whose settings and listeners the shell keeps."""
    is_announced: bool = False
    """The service manager knows that we are ready."""
    measure_at: float = 0.0
    """When to look at the memory of workers again."""
    seed: float = 0.0
    """0 <= seed < 1; spreads delays, so that several arbiters with one trouble do not act in step. 0: no spreading."""
    slots: int = 1024
    """How many rows the scoreboard has."""

    @property
    def has_trial(self) -> bool:
        """A reload has not been passed yet, and workers of an earlier generation serve: perhaps of other pools."""
        return self.trial != NEVER and any(
            pool.good not in (NEVER, self.trial) and not pool.is_leaving for pool in self.pools.values()
        )

    def child_of(self, pid: int) -> Child | None:
        """The child with this pid; None for a process that is not, or no longer, ours."""
        return next((child for child in self.children.values() if child.pid == pid), None) if pid else None

    def of_pool(self, name: str) -> list[Child]:
        """The children of one pool, by slot."""
        return [child for _, child in sorted(self.children.items()) if child.pool == name]

    def with_child(self, child: Child) -> State:
        """A copy in which this child stands in its slot."""
        return replace(self, children={**self.children, child.slot: child})

    def without(self, slot: int) -> State:
        """A copy in which the slot is free."""
        return replace(self, children={key: child for key, child in self.children.items() if key != slot})

    def with_pool(self, pool: Pool) -> State:
        """A copy with this pool in the place of the one of its name."""
        return replace(self, pools={**self.pools, pool.name: pool})
