"""How long, how often, how many: the numbers behind the arbiter's decisions, and the back-off. Pure."""

from __future__ import annotations

from typing import NamedTuple

ABORT_GRACE_S = 1.5
"""From SIGABRT to SIGKILL: the child writes its stacks in milliseconds, or it never will."""

QUICK_S = 2.0
"""From SIGQUIT to SIGKILL."""

HALT_S = 0.5
"""The same for siblings of a worker that could not boot: whoever waits for the exit code waits for this."""

SPAWN_S = 20.0
"""From the order to the pid. A fork answers at once, a template within milliseconds, one that is stopped never."""

DUMP_S = 0.2
"""So long before SIGKILL a child is asked for its stacks; it takes a millisecond, or for ever."""

DRAIN_SLACK_S = 1.0
"""What a draining worker gets above the graceful time, so that its own orderly end wins against our SIGKILL."""

BOOT_STOP_S = 2.0
"""From SIGTERM to SIGKILL for a child that is still booting: it has nothing to finish."""

UNKILLABLE_S = 10.0
"""From SIGKILL to giving up: a process in uninterruptible sleep must not keep a stop from ending."""

STEADY_S = 10.0
"""A worker that was ready for this long served well: its death says nothing about the next one's chances."""

STEADY_BEFORE_KILL_S = 1.0
"""The same for one that a signal from outside ended: whoever sends them, it was no fault of the worker's."""

KILLS_COUNTED = 2
"""So many of those make a row, at most: whoever kills workers goes on whether we wait or not, and a pool that waits
longer and longer serves nobody meanwhile."""

FIRST_DEATHS = 3
"""So many deaths in a row without anything ever ready, none of them with a reason given, are a failure to boot."""

CAUTIOUS_AFTER = 3
"""From so many deaths in a row on, a pool boots one child at a time: the others would only die with it."""

PAUSE_S = 1.0
"""When the arbiter itself wakes so much too late, the machine or the container was stopped, not the workers."""

UNKILLABLE_AGAIN_S = 60.0
"""How often the log is told of such a process while nobody wants to stop."""

MEASURE_S = 5.0
"""How often memory is looked at where --max-worker-memory asks for it."""

MEASURE_HARD_S = 1.0
"""The same with a limit at which a worker is killed."""

_SPREAD = 0.1
_JITTER = 0.25
_GOLDEN = 0.6180339887498949
"""Its multiples, without their whole part, are spread evenly however many there are."""

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 30.0


class Backoff(NamedTuple):
    """Deaths in a row, and when the next spawn may be."""

    deaths: int = 0
    until: float = 0.0


def after_death(
    backoff: Backoff, *, ready_s: float | None, now: float, seed: float = 0.0, is_killed: bool = False
) -> Backoff:
    """The back-off after a child died that nobody had told to go.

    `ready_s` is how long it had been ready, None if it never was; `is_killed`: by a signal from outside. The delay
    doubles from 0.1 s to 30 s while the deaths go on, but not for one that was ready and was killed; a worker that
    served well, and the first death of a row, are replaced at once. A row ends when no death has come for twice the
    last delay and STEADY_S more. With a seed each delay is up to a quarter longer.
    """
    if ready_s is not None and ready_s >= (STEADY_BEFORE_KILL_S if is_killed else STEADY_S):
        return Backoff(0, now)
    last_delay = delay_after(backoff.deaths)
    if backoff.deaths and now > backoff.until + last_delay + STEADY_S:
        backoff = Backoff()
    deaths = backoff.deaths + 1
    if is_killed and ready_s is not None:
        deaths = min(deaths, KILLS_COUNTED)
    jitter = _JITTER * ((seed + deaths * _GOLDEN) % 1.0) if seed else 0.0
    return Backoff(deaths, now + delay_after(deaths) * (1.0 + jitter))


def delay_after(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row: 0, 0.1, 0.2, 0.4 ... 30."""
    if deaths < 2:
        return 0.0
    return float(min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(deaths - 2, 20)))


def drain_deadline(graceful_timeout_s: float, now: float) -> float:
    """When a child that was told to drain is killed. A graceful time of 0 still leaves the slack."""
    return now + graceful_timeout_s + DRAIN_SLACK_S


def recycle_at(slot: int, lifetime_s: float, now: float) -> float | None:
    """When a worker that is ready now has served its time: up to a tenth early, by slot, so that they spread."""
    return now + lifetime_s * (1.0 - _SPREAD * ((slot * _GOLDEN) % 1.0)) if lifetime_s > 0 else None


def silent_at(beat: float, timeout_s: float) -> float | None:
    """When a worker that does not beat again counts as silent; None with the deadline switched off."""
    return beat + timeout_s if timeout_s > 0 else None
