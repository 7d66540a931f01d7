"""What happened: the events that `supervisor.decide` takes. Past participles, or the operator's command. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybrid.arbiter.state import Plan


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings were read, listeners bound: this is what the generation asks of each pool."""

    generation: int
    plans: Mapping[str, Plan]


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """The settings of this generation cannot be used."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """The process of this slot exists."""

    slot: int
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """It does not, and will not."""

    slot: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is about to accept."""

    pid: int
    detail: str = ""
    serves_websocket: bool = False


@dataclass(frozen=True, slots=True)
class BootFailed:
    """The worker said that it cannot serve, and why; its exit follows."""

    pid: int
    exit_code: int
    reason: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Retiring:
    """The worker asks to be replaced, and serves on until it is."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """How much memory children use: bytes by pid."""

    memory: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Drained:
    """The worker says that it no longer accepts: somebody else told it to go."""

    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child process was reaped. One of `code` and `signal` ("SIGSEGV") is set."""

    pid: int
    code: int | None = None
    signal: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """The operator wants the arbiter to end. Every further one hardens the first."""

    is_graceful: bool


@dataclass(frozen=True, slots=True)
class Reload:
    """The operator, or a changed file, asks for the next generation."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """The operator wants every worker to finish and none to follow, until a resize or a reload (WINCH)."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The operator wants so many workers more or fewer, or just so many; a pool never shrinks below one."""

    pool: str
    by: int = 0
    to: int | None = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """The operator moved the log files away."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. `beats` is what the scoreboard says, by pid.

    `paused_s` is how much later than planned the arbiter itself woke: a machine that slept, or a
    container that was paused, must not be taken for workers that are stuck.
    """

    beats: Mapping[int, float] = field(default_factory=dict)
    paused_s: float = 0.0


Event = (
    Loaded
    | LoadFailed
    | Spawned
    | SpawnFailed
    | Ready
    | BootFailed
    | Retiring
    | Measured
    | Drained
    | Exited
    | Stop
    | Reload
    | Resize
    | Rest
    | Reopen
    | Tick
)
