"""What happened: the events that `supervisor.decide` takes. Past participles, or the operator's command. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from hybrid.arbiter.state import Plan


class Loaded(NamedTuple):
    """Settings were read, listeners bound: this is what the generation asks of each pool."""

    generation: int
    plans: Mapping[str, Plan]


class LoadFailed(NamedTuple):
    """The settings of this generation cannot be used."""

    generation: int
    reason: str


class Spawned(NamedTuple):
    """The process of this slot exists."""

    slot: int
    pid: int


class SpawnFailed(NamedTuple):
    """It does not, and will not."""

    slot: int
    reason: str


class Ready(NamedTuple):
    """The worker is about to accept."""

    pid: int
    detail: str = ""
    serves_websocket: bool = False


class BootFailed(NamedTuple):
    """The worker said that it cannot serve, and why; its exit follows."""

    pid: int
    exit_code: int
    reason: str
    traceback: str = ""


class Retiring(NamedTuple):
    """The worker asks to be replaced, and serves on until it is."""

    pid: int
    reason: str


class Measured(NamedTuple):
    """How much memory children use: bytes by pid."""

    memory: Mapping[int, int]


class Drained(NamedTuple):
    """The worker says that it no longer accepts: somebody else told it to go."""

    pid: int
    reason: str


class Exited(NamedTuple):
    """A child process was reaped. One of `code` and `signal` ("SIGSEGV") is set."""

    pid: int
    code: int | None = None
    signal: str = ""


class Stop(NamedTuple):
    """The operator wants the arbiter to end. Every further one hardens the first."""

    is_graceful: bool


class Reload(NamedTuple):
    """The operator, or a changed file, asks for the next generation."""

    reason: str = ""


class Command(Enum):
    """What the operator may want without saying more."""

    REST = 1
    """Every worker is to finish and none to follow, until a resize or a reload (WINCH)."""
    REOPEN = 2
    """The log files were moved away."""


class Resize(NamedTuple):
    """The operator wants so many workers more or fewer, or just so many; a pool never shrinks below one."""

    pool: str
    by: int = 0
    to: int | None = None


class Tick(NamedTuple):
    """Time passed. `beats` is what the scoreboard says, by pid.

    `paused_s` is how much later than planned the arbiter itself woke: a machine that slept, or a
    container that was paused, must not be taken for workers that are stuck.
    """

    beats: Mapping[int, float] = MappingProxyType({})
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
    | Command
    | Tick
)
