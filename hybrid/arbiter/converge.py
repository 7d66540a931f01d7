"""The second half of every decision: order what is missing between what is and what should be. Pure.

It looks at the state alone, never at the event, and is idempotent: run again at the same time, it orders
nothing again, because whatever it orders it also notes in the state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from hybrid.arbiter import policy
from hybrid.arbiter.actions import (
    Abandon,
    Action,
    Announce,
    Discard,
    Dump,
    Exit,
    Kill,
    Level,
    LogSilence,
    Measure,
    Say,
    Settle,
    Spawn,
)
from hybrid.arbiter.state import NEVER, Child, Phase, Plan, Pool, Signal, Stage, State

TIMEOUT = "timeout"
BOOT_TIMEOUT = "boot timeout"
GRACEFUL_TIMEOUT = "graceful timeout"
HARD_MEMORY = "memory limit"
STOP = "stop"


def converge(state: State, now: float, actions: list[Action]) -> State:
    """The state after ordering what the state asks for; the orders are appended to `actions`."""
    state = _deadlines(state, now, actions)
    if state.phase is not Phase.RUNNING:
        return _stopping(state, now, actions)
    state = _promote(state, actions)
    state = _recycle(state, now, actions)
    for name in state.pools:
        state = _recover(state, state.pools[name], now, actions)
        state = _supersede(state, state.pools[name], now, actions)
        state = _retire(state, state.pools[name], now, actions)
        state = _fill(state, state.pools[name], now, actions)
    state = _measure(state, now, actions)
    return _discard(_finish_reload(_drop_pools(state), actions), actions)


def next_wakeup(state: State) -> float | None:
    """The monotonic time at which a Tick can change something; None = only an event can."""
    times = [due for child in state.children.values() if (due := _due(child)) is not None]
    if state.phase is Phase.RUNNING:
        times += [pool.backoff.until for pool in state.pools.values() if any(_wanted(state, pool))]
        times += [at for pool in state.pools.values() if (at := _recovers_at(state, pool)) is not None]
        times += [child.recycle_at for child in state.children.values() if _is_aging(child) and child.recycle_at]
        times += [state.measure_at] if _measured_limits(state) else []
    return min(times, default=None)


# deadlines --------------------------------------------------------------------------------------------------


def _deadlines(state: State, now: float, actions: list[Action]) -> State:
    for _, child in sorted(state.children.items()):
        due = _due(child)
        if due is None or now < due:
            continue
        if child.stage is Stage.SPAWNING:
            actions.append(Abandon(child.slot))
            actions.append(Say(Level.ERROR, f"No worker came of an order to fork one: {fields(child)}"))
            state = state.without(child.slot)
        elif child.sent is Signal.KILL:
            state = _give_up(state, child, now, actions)
        elif _is_near_kill(child, now):
            actions.append(Dump(child.pid))
            state = state.with_child(replace(child, is_dumped=True))
        elif child.deadline is not None and child.deadline <= now:
            why = GRACEFUL_TIMEOUT if child.sent is Signal.TERM and child.ready_at is not None else child.why
            state = _end(state, child, Signal.KILL, why, now + policy.UNKILLABLE_S, actions)
        else:
            is_booting = child.stage is Stage.BOOTING
            actions.append(LogSilence(child, now - (child.since if is_booting else child.beat)))
            why = BOOT_TIMEOUT if is_booting else TIMEOUT
            state = _end(state, child, Signal.ABRT, why, now + policy.ABORT_GRACE_S, actions)
    return state


def _is_near_kill(child: Child, now: float) -> bool:
    """It is time to ask for its stacks. A wakeup that comes too late for that kills without."""
    return child.deadline is not None and not child.is_dumped and child.deadline - policy.DUMP_S <= now < child.deadline


def _give_up(state: State, child: Child, now: float, actions: list[Action]) -> State:
    """SIGKILL did not end it: uninterruptible sleep. A stop goes on without it; otherwise its slot stays its own."""
    is_stop = state.phase is not Phase.RUNNING
    text = "giving it up" if is_stop else "its slot stays taken"
    actions.append(Say(Level.CRITICAL, f"Worker does not die (pid: {child.pid}) {fields(child)}; {text}"))
    if is_stop:
        return state.without(child.slot)
    return state.with_child(replace(child, deadline=now + policy.UNKILLABLE_AGAIN_S))


def _due(child: Child) -> float | None:
    """When something must happen to this child because nothing else did."""
    if child.stage is Stage.SPAWNING:
        return child.since + policy.SPAWN_S
    times = []
    if child.deadline is not None:
        is_last_chance = not child.is_dumped and child.sent is not Signal.KILL
        times.append(child.deadline - policy.DUMP_S if is_last_chance else child.deadline)
    if child.stage is Stage.BOOTING and child.is_staying and child.plan.boot_timeout_s > 0:
        times.append(child.since + child.plan.boot_timeout_s)
    if child.stage in (Stage.READY, Stage.DRAINING) and child.sent in (None, Signal.TERM):
        silent = policy.silent_at(child.beat, child.plan.timeout_s)
        if silent is not None:
            times.append(silent)
    return min(times, default=None)


# stopping ---------------------------------------------------------------------------------------------------


def _stopping(state: State, now: float, actions: list[Action]) -> State:
    if not state.children:
        actions.append(Exit(state.exit_code))
        return replace(state, phase=Phase.ENDED)
    grace_s = policy.HALT_S if state.exit_code else policy.QUICK_S
    for _, child in sorted(state.children.items()):
        if not child.pid:
            continue
        if child.sent is Signal.KILL:
            soon = now + policy.UNKILLABLE_S
            state = state.with_child(replace(child, deadline=min(child.deadline or soon, soon)))
        elif state.phase is Phase.KILLING:
            state = _end(state, child, Signal.KILL, "stop", now + policy.UNKILLABLE_S, actions)
        elif state.phase is Phase.QUICK and child.sent not in (Signal.QUIT, Signal.ABRT):
            deadline = min(child.deadline or now + grace_s, now + grace_s)
            why = child.why if child.has_failed else "stop"  # the reason of the stop is not the stop
            state = _end(state, child, Signal.QUIT, why, deadline, actions)
        elif state.phase is Phase.GRACEFUL and child.is_staying:
            state = _drain(state, child, STOP, now, actions)
    return state


# a new generation --------------------------------------------------------------------------------------------


def _promote(state: State, actions: list[Action]) -> State:
    """A first generation is good in each pool with its first ready child; a reload, once all of its pools have one."""
    passed = [pool for pool in state.pools.values() if pool.good != pool.generation and _has_ready(state, pool)]
    candidates = {pool.name for pool in state.pools.values() if pool.generation == state.trial} - state.leaving
    good = {pool.name for pool in state.pools.values() if pool.good == pool.generation}
    is_passed = candidates <= good | {pool.name for pool in passed}
    is_trial = state.has_trial
    for pool in passed:
        is_new = pool.good == NEVER
        if pool.generation == state.trial and not is_passed and is_trial:
            continue
        size = pool.size if is_new else pool.plan.size
        state = state.with_pool(replace(pool, good=pool.generation, good_plan=pool.plan, size=size, traceback=""))
        if not is_new:
            text = f"Pool {pool.name}: generation {pool.generation} is ready, retiring generation {pool.good}"
            actions.append(Say(Level.INFO, text))
    if is_passed and candidates:
        for name in state.leaving:
            state = state.with_pool(replace(state.pools[name], size=0, is_leaving=True))
        state = replace(state, leaving=frozenset())
    return state


def _has_ready(state: State, pool: Pool) -> bool:
    return any(
        child.generation == pool.generation and child.stage is Stage.READY and child.is_staying
        for child in state.of_pool(pool.name)
    )


def _finish_reload(state: State, actions: list[Action]) -> State:
    """The reload has ended well when every pool is served by the new generation alone."""
    if state.trial == NEVER or state.leaving:
        return state
    for pool in state.pools.values():
        ready = [child for child in state.of_pool(pool.name) if child.stage is Stage.READY and child.is_staying]
        if pool.generation != state.trial or pool.is_on_trial or len(ready) < pool.size:
            return state
        if any(child.generation != state.trial for child in ready):
            return state
    workers = sum(pool.size for pool in state.pools.values())
    text = f"Reloaded: generation {state.trial} serves with {workers} worker{'s' if workers > 1 else ''}"
    actions.append(Say(Level.INFO, text))
    return settle(state, state.trial, is_ok=True, text=text, actions=actions)


def settle(
    state: State, generation: int, *, is_ok: bool, text: str, actions: list[Action], traceback: str = ""
) -> State:
    """A reload has ended, one way or the other. No-op for a generation whose end has been told."""
    if generation == NEVER or generation != state.trial:
        return state
    actions.append(Settle(generation, is_ok, text, traceback))
    if state.phase is Phase.RUNNING and state.is_announced:
        actions.append(Announce("READY=1"))
    return replace(state, trial=NEVER)


def _drop_pools(state: State) -> State:
    """Forget pools that no settings name and that have no workers left."""
    used = {child.pool for child in state.children.values()}
    pools = {name: pool for name, pool in state.pools.items() if not pool.is_leaving or name in used}
    return state if len(pools) == len(state.pools) else replace(state, pools=pools)


# replacing --------------------------------------------------------------------------------------------------


def replace_child(state: State, child: Child, reason: str, actions: list[Action]) -> State:
    """Have a ready child replaced. It serves until its successor is ready; how many at a time is up to `_wanted`."""
    actions.append(Say(Level.INFO, f"Replacing worker (pid: {child.pid}) {fields(child)} reason={reason!r}"))
    return state.with_child(replace(child, retire=reason))


def kill_for_memory(state: State, child: Child, size: int, now: float, actions: list[Action]) -> State:
    """It uses so much that it endangers the others: no drain, only the moment that its stacks need."""
    limit = child.plan.hard_memory >> 20
    text = (
        f"WORKER MEMORY (pid:{child.pid}) {fields(child)}: {size >> 20} MB > {limit} MB; see --max-worker-memory-hard"
    )
    actions += [Say(Level.CRITICAL, text), Dump(child.pid)]
    child = replace(
        child, stage=Stage.DRAINING, since=now, why=HARD_MEMORY, deadline=now + policy.DUMP_S, is_dumped=True
    )
    return state.with_child(child)


def _recycle(state: State, now: float, actions: list[Action]) -> State:
    for _, child in sorted(state.children.items()):
        if _is_aging(child) and child.recycle_at is not None and child.recycle_at <= now:
            state = replace_child(state, child, "lifetime", actions)
    return state


def _is_aging(child: Child) -> bool:
    return child.stage is Stage.READY and child.is_staying and not child.retire


def _measured_limits(state: State) -> list[int]:
    """The memory limits of those that may be replaced for it."""
    plans = [child.plan for child in state.children.values() if child.stage is Stage.READY and child.is_staying]
    return [limit for plan in plans for limit in (plan.max_memory, plan.hard_memory) if limit]


def _measure(state: State, now: float, actions: list[Action]) -> State:
    limits = _measured_limits(state)
    if not limits or now < state.measure_at:
        return state
    ready = sorted(child.pid for child in state.children.values() if child.stage is Stage.READY and child.is_staying)
    actions.append(Measure(tuple(ready), min(limits)))
    is_hard = any(child.plan.hard_memory for child in state.children.values())
    return replace(state, measure_at=now + (policy.MEASURE_HARD_S if is_hard else policy.MEASURE_S))


def _recover(state: State, pool: Pool, now: float, actions: list[Action]) -> State:
    """A degraded pool is whole again when all of it has been ready for a while and nobody died meanwhile."""
    at = _recovers_at(state, pool)
    if at is None or now < at:
        return state
    actions.append(Say(Level.INFO, f"Pool {pool.name}: recovered, {pool.size} of {pool.size} workers ready"))
    return state.with_pool(replace(pool, is_degraded=False, deaths=(), rows={}, backoff=policy.Backoff(0, now)))


def _recovers_at(state: State, pool: Pool) -> float | None:
    if not pool.is_degraded:
        return None
    ready = [child for child in state.of_pool(pool.name) if child.stage is Stage.READY and child.is_staying]
    if len(ready) < pool.size:
        return None
    return max([*pool.deaths, *(child.since for child in ready)], default=0.0) + policy.STEADY_S


def _supersede(state: State, pool: Pool, now: float, actions: list[Action]) -> State:
    """End what boots for a generation that nobody wants any more, or for a place that no longer exists."""
    booting = [child for child in state.of_pool(pool.name) if child.stage is Stage.BOOTING and child.is_staying]
    surplus = len(_keepers(state, pool, pool.serving)) - pool.size
    for child in sorted(booting, key=lambda child: child.since, reverse=True):
        if child.generation not in (pool.generation, pool.serving):
            state = _drain(state, child, "superseded", now, actions)
        elif surplus > 0 and child.generation == pool.serving:
            surplus -= 1
            state = _drain(state, child, "resize", now, actions)
    return state


def _retire(state: State, pool: Pool, now: float, actions: list[Action]) -> State:
    """Drain one ready child for each that is ready above the size: who is to be replaced first, then the oldest.

    The child that stands for a reload on trial is no surplus: other pools may not be as far.
    """
    ready = [
        child
        for child in state.of_pool(pool.name)
        if child.stage is Stage.READY
        and child.is_staying
        and not (pool.is_on_trial and child.generation == pool.generation)
    ]
    keepers = {child.slot for child in _keepers(state, pool, pool.serving)}
    surplus = max(0, len(ready) - pool.size)
    for child in sorted(ready, key=lambda child: (child.slot in keepers, child.since))[:surplus]:
        why = child.retire or ("reload" if child.generation != pool.serving else "resize")
        state = _drain(state, child, why, now, actions)
    return state


# spawning ---------------------------------------------------------------------------------------------------


class _Wanted(NamedTuple):
    """One child that the pool lacks."""

    generation: int
    plan: Plan


def _fill(state: State, pool: Pool, now: float, actions: list[Action]) -> State:
    if now < pool.backoff.until:
        return state
    for slot, wanted in zip(_free_slots(state), _wanted(state, pool), strict=False):
        actions.append(Spawn(pool.name, slot, wanted.generation))
        child = Child(pool=pool.name, slot=slot, generation=wanted.generation, plan=wanted.plan, since=now)
        state = state.with_child(child)
    return state


def _wanted(state: State, pool: Pool) -> list[_Wanted]:
    """The children that may be spawned for this pool, leaving the back-off's time aside.

    While a reload is on trial the serving generation is still kept at its size, so that an import that
    hangs for minutes costs no capacity when an old worker dies meanwhile; the new one gets one child.
    """
    if pool.is_blocked:
        return []
    current = _keepers(state, pool, pool.serving)
    wanted = [_Wanted(pool.serving, pool.serving_plan)] * (pool.size - len(current))
    if pool.good == NEVER and pool.plan.is_preloaded:
        wanted = wanted[: max(0, 1 - len(current))]
    if pool.is_on_trial and not _keepers(state, pool, pool.generation):
        wanted.append(_Wanted(pool.generation, pool.plan))
    staying = [child for child in state.of_pool(pool.name) if child.is_staying]
    room = min(pool.size + (pool.plan.surge or max(1, pool.size)) - len(staying), state.slots - len(state.children))
    if pool.backoff.deaths >= policy.CAUTIOUS_AFTER:
        room = min(room, 1 - sum(child.stage is not Stage.READY for child in staying))
    return wanted[: max(0, room)]


def _keepers(state: State, pool: Pool, generation: int) -> list[Child]:
    """The children of one generation that count towards the size: staying, and not to be replaced.

    One that could not boot counts until it is gone: its exit decides what follows, not the gap that it leaves.
    """
    return [
        child
        for child in state.of_pool(pool.name)
        if child.generation == generation and ((child.is_staying and not child.retire) or _is_failing(child))
    ]


def _is_failing(child: Child) -> bool:
    return child.stage is Stage.BOOTING and (child.has_failed or child.why == BOOT_TIMEOUT)


def _free_slots(state: State) -> Iterator[int]:
    taken = state.children.keys()
    return (slot for slot in range(state.slots) if slot not in taken)


def _discard(state: State, actions: list[Action]) -> State:
    """Forget releases that no pool could go back to and no serving child was made of."""
    needed = {pool.generation for pool in state.pools.values()} | {pool.good for pool in state.pools.values()}
    needed |= {child.generation for child in state.children.values() if child.stage is not Stage.DRAINING}
    for generation in sorted(state.releases - needed):
        actions.append(Discard(generation))
    return replace(state, releases=state.releases & needed)


# telling a child to go --------------------------------------------------------------------------------------


def _drain(state: State, child: Child, why: str, now: float, actions: list[Action]) -> State:
    """SIGTERM, with the time that the child's stage deserves."""
    if child.stage is Stage.BOOTING:
        return _end(state, child, Signal.TERM, why, now + policy.BOOT_STOP_S, actions)
    delay_s = child.plan.drain_delay_s if why == STOP else 0.0
    deadline = policy.drain_deadline(child.plan.graceful_timeout_s + delay_s, now)
    return _end(state, child, Signal.TERM, why, deadline, actions)


def _end(state: State, child: Child, signal: Signal, why: str, deadline: float, actions: list[Action]) -> State:
    actions.append(Kill(child.pid, signal))
    stage = Stage.DRAINING if child.stage is Stage.READY else child.stage
    return state.with_child(replace(child, stage=stage, sent=signal, why=why, deadline=deadline))


def fields(child: Child) -> str:
    """How a log line names a child, everywhere."""
    return f"pool={child.pool} slot={child.slot} gen={child.generation}"
