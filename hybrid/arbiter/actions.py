"""What to do: the actions that `supervisor.decide` gives, each one effect of the shell. Imperatives. Pure data.

No action waits. What an action learns comes back as an event.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from hybrid.arbiter.state import Child, Signal


class Level(IntEnum):
    """The levels of the standard library's logging, which the pure part does not import."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


class Load(NamedTuple):
    """Read the settings again and bind what they ask for; answers Loaded or LoadFailed."""

    generation: int


class Spawn(NamedTuple):
    """Make a worker; answers Spawned or SpawnFailed."""

    pool: str
    slot: int
    generation: int


class Abandon(NamedTuple):
    """A spawn was never answered: whatever comes of it still is none of ours."""

    slot: int


class Kill(NamedTuple):
    """Send a signal to a child of ours."""

    pid: int
    signal: Signal


class Measure(NamedTuple):
    """See how much memory these children use; answers Measured. Up to `above` an upper bound will do."""

    pids: tuple[int, ...]
    above: int


class Dump(NamedTuple):
    """Have a child of ours write its stacks where the record of its death will find them."""

    pid: int


class Discard(NamedTuple):
    """No child of this generation will be made or is serving: forget its settings, close listeners that only it had."""

    generation: int


class Simple(Enum):
    """Of which there is nothing more to say."""

    CLOSE_LISTENERS = 1
    """The arbiter stops: close them all, so that no connection queues where nobody will take it."""
    REOPEN_LOGS = 2
    """Open the arbiter's own log files anew."""


class Announce(NamedTuple):
    """Tell the service manager: "READY=1", "STOPPING=1"."""

    state: str


class Say(NamedTuple):
    """Log one event; `text` may be several lines only when it carries a traceback."""

    level: Level
    text: str


class LogSilence(NamedTuple):
    """Log that a child missed a deadline, with the requests that its scoreboard row shows in flight."""

    child: Child
    silent_s: float


class LogDeath(NamedTuple):
    """Log how a child ended. The child is as it was just before; one of `code` and `signal` is set."""

    child: Child
    code: int | None
    signal: str


class Settle(NamedTuple):
    """The reload of this generation has ended: say so to whoever waits for it, and to the service manager."""

    generation: int
    is_ok: bool
    text: str
    traceback: str = ""


class Exit(NamedTuple):
    """End the arbiter with this code. The last action there is."""

    code: int


Action = (
    Load
    | Spawn
    | Abandon
    | Kill
    | Measure
    | Dump
    | Discard
    | Simple
    | Announce
    | Say
    | LogSilence
    | LogDeath
    | Settle
    | Exit
)
