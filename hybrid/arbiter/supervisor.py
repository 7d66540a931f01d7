"""Every decision of the arbiter, as one pure function: `decide(state, event, now) -> (state, actions)`.

Two steps. *Apply* notes what the event says. *Converge* compares what is with what should be - deadlines
that passed, children that may be retired, slots to fill - and orders the difference. Converge looks at the
state and never at the event, so an event that got lost or merged (signals do) delays a decision to the next
event at most, and running it twice orders nothing twice.

The rules in one place:

- make before break: a child is retired only while more are ready than the pool needs, so reload,
  max-requests and resize are the same rule;
- a reload is on trial until one child of its generation is ready in every pool. That first child boots alone. If
  it cannot, all pools go back to the generation before, whose children have not been touched;
- a generation that was never ready in a pool that never had one ends the arbiter, with the child's exit code;
- afterwards, deaths only slow down the respawns;
- whatever was told to go has a deadline, and SIGKILL follows.

`next_wakeup(state)` is when to call `decide` with a Tick if nothing else happens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hybrid.arbiter import policy
from hybrid.arbiter.actions import (
    Action,
    Announce,
    Discard,
    Kill,
    Level,
    Load,
    LogDeath,
    Say,
    Simple,
)
from hybrid.arbiter.converge import (
    BOOT_TIMEOUT,
    HARD_MEMORY,
    TIMEOUT,
    converge,
    fields,
    kill_for_memory,
    next_wakeup,
    replace_child,
    settle,
)
from hybrid.arbiter.events import (
    BootFailed,
    Command,
    Drained,
    Event,
    Exited,
    Loaded,
    LoadFailed,
    Measured,
    Ready,
    Reload,
    Resize,
    Retiring,
    Spawned,
    SpawnFailed,
    Stop,
    Tick,
)
from hybrid.arbiter.state import NEVER, Child, Phase, Pool, Signal, Stage, State

BOOT = "boot"
_BOOT_FAILED = 3
_OUTSIDE = {"SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"}
"""Causes of death that no worker brings about itself."""
_DEATHS_KEPT = 256
_REASONS = {1: "Settings cannot be used.", 3: "Worker failed to boot.", 4: "App failed to load."}

Actions = list[Action]

__all__ = ["decide", "next_wakeup"]


def decide(state: State, event: Event, now: float) -> tuple[State, Actions]:
    """The state after this event and what to do now, in order. After Exit nothing is decided any more."""
    if state.phase is Phase.ENDED:
        return state, []
    actions: Actions = []
    state = _apply(state, event, now, actions)
    state = converge(state, now, actions)
    return state, actions


# apply: one function per event ------------------------------------------------------------------------------


def _apply(state: State, event: Event, now: float, actions: Actions) -> State:
    match event:
        case Loaded():
            return _loaded(state, event, now, actions)
        case LoadFailed():
            return _load_failed(state, event, actions)
        case Spawned():
            return _spawned(state, event, now)
        case SpawnFailed():
            return _spawn_failed(state, event, now, actions)
        case Ready():
            return _ready(state, event, now, actions)
        case BootFailed():
            return _boot_failed(state, event, now, actions)
        case Retiring():
            return _retiring(state, event, actions)
        case Measured():
            return _measured(state, event, now, actions)
        case Drained():
            return _drained(state, event, now)
        case Exited():
            return _exited(state, event, now, actions)
        case Stop():
            return _stop(state, event, actions)
        case Reload():
            return _reload(state, actions)
        case Resize():
            return _resize(state, event, actions)
        case Command.REST:
            return _rest(state, actions)
        case Command.REOPEN:
            actions.append(Simple.REOPEN_LOGS)
            actions.extend(Kill(child.pid, Signal.USR1) for child in state.children.values() if child.pid)
            return state
        case Tick():
            return _tick(state, event, now)
        case _:
            assert_never(event)


def _loaded(state: State, event: Loaded, now: float, actions: Actions) -> State:
    if state.phase is not Phase.RUNNING:
        return state
    if event.generation != state.generation:
        actions.append(Discard(event.generation))  # overtaken: nobody will ever ask for it
        return state
    state = replace(state, releases=state.releases | {event.generation})
    for name, plan in event.plans.items():
        pool = state.pools.get(name) or Pool(name=name, plan=plan, size=plan.size)
        size = plan.size if pool.good == NEVER else pool.size
        pool = replace(pool, plan=plan, size=size, generation=event.generation, traceback="", is_leaving=False)
        state = state.with_pool(replace(pool, backoff=policy.Backoff(0, now), rows={}, is_blocked=False))
    return replace(state, leaving=frozenset(state.pools.keys() - event.plans.keys()))


def _load_failed(state: State, event: LoadFailed, actions: Actions) -> State:
    text = f"Reload failed: {event.reason}; nothing was changed"
    actions.append(Say(Level.ERROR, text))
    return settle(state, event.generation, is_ok=False, text=text, actions=actions)


def _spawned(state: State, event: Spawned, now: float) -> State:
    child = state.children.get(event.slot)
    if child is None or child.stage is not Stage.SPAWNING:
        return state
    return state.with_child(replace(child, pid=event.pid, stage=Stage.BOOTING, since=now, beat=now))


def _spawn_failed(state: State, event: SpawnFailed, now: float, actions: Actions) -> State:
    child = state.children.get(event.slot)
    if child is None or child.stage is not Stage.SPAWNING:
        return state
    pool = state.pools[child.pool]
    actions.append(Say(Level.ERROR, f"Cannot fork a worker: {event.reason} pool={pool.name} slot={event.slot}"))
    # Never at once: the resource that fork lacked is not back in a millisecond.
    backoff = policy.after_death(pool.backoff._replace(deaths=max(1, pool.backoff.deaths)), ready_s=None, now=now)
    return state.without(event.slot).with_pool(replace(pool, backoff=backoff))


def _ready(state: State, event: Ready, now: float, actions: Actions) -> State:
    child = state.child_of(event.pid)
    if child is None or child.stage is not Stage.BOOTING:
        return state
    boot_s = now - child.since
    detail = f" {event.detail}" if event.detail else ""
    actions.append(Say(Level.INFO, f"Worker ready (pid: {child.pid}) {fields(child)} boot_s={boot_s:.2f}{detail}"))
    if not child.is_staying:
        return state
    due = policy.recycle_at(child.slot, child.plan.lifetime_s, now)
    state = state.with_child(replace(child, stage=Stage.READY, since=now, beat=now, ready_at=now, recycle_at=due))
    if not state.is_announced and state.phase is Phase.RUNNING and _is_everywhere_ready(state):
        actions.append(Announce("READY=1"))
        state = replace(state, is_announced=True)
    return state


def _is_everywhere_ready(state: State) -> bool:
    """Can every request be served, whichever pool it is for?"""
    ready = {child.pool for child in state.children.values() if child.stage is Stage.READY}
    return all(pool.name in ready or pool.is_blocked for pool in state.pools.values())


def _boot_failed(state: State, event: BootFailed, now: float, actions: Actions) -> State:
    child = state.child_of(event.pid)
    if child is None or child.stage is not Stage.BOOTING or child.has_failed:
        return state
    state = state.with_child(replace(child, has_failed=True, deadline=now + policy.BOOT_STOP_S, why="boot failed"))
    if not child.is_staying or state.phase is not Phase.RUNNING:
        return state
    pool = state.pools[child.pool]
    if event.traceback and event.traceback != pool.traceback:
        actions.append(Say(Level.ERROR, f"Exception in worker process (pid: {child.pid})\n{event.traceback.rstrip()}"))
        state = state.with_pool(replace(pool, traceback=event.traceback))
    return _cannot_boot(state, child, event.exit_code, event.reason, now, actions)


def _retiring(state: State, event: Retiring, actions: Actions) -> State:
    child = state.child_of(event.pid)
    if child is None or child.stage is not Stage.READY or child.retire:
        return state
    return replace_child(state, child, event.reason or "asked", actions)


def _measured(state: State, event: Measured, now: float, actions: Actions) -> State:
    for pid, size in event.memory.items():
        child = state.child_of(pid)
        if child is None or child.stage is not Stage.READY or not child.is_staying:
            continue
        plan = child.plan
        if 0 < plan.hard_memory < size:
            state = kill_for_memory(state, child, size, now, actions)
        elif 0 < plan.max_memory < size and not child.retire:
            state = replace_child(state, child, f"memory {size >> 20} MB > {plan.max_memory >> 20} MB", actions)
    return state


def _drained(state: State, event: Drained, now: float) -> State:
    child = state.child_of(event.pid)
    if child is None or not child.is_staying:
        return state
    deadline = policy.drain_deadline(child.plan.graceful_timeout_s + child.plan.drain_delay_s, now)
    return state.with_child(replace(child, stage=Stage.DRAINING, since=now, why=event.reason, deadline=deadline))


def _exited(state: State, event: Exited, now: float, actions: Actions) -> State:
    child = state.child_of(event.pid)
    if child is None:
        return state
    actions.append(LogDeath(child, event.code, event.signal))
    state = state.without(child.slot)
    if state.phase is not Phase.RUNNING or child.has_failed:
        return state
    if child.stage is Stage.BOOTING and (child.is_staying or child.why == BOOT_TIMEOUT):
        return _died_booting(state, child, event, now, actions)
    if child.is_staying or child.why in (TIMEOUT, HARD_MEMORY):
        ready_s = None if child.ready_at is None else now - child.ready_at
        cause = child.why or event.signal or f"exit {event.code}"
        return _slow_down(state, child.pool, cause, ready_s, now, actions)
    return state


def _stop(state: State, event: Stop, actions: Actions) -> State:
    if state.phase is Phase.RUNNING:
        state = _begin_stop(state, actions)
        return replace(state, phase=Phase.GRACEFUL if event.is_graceful else Phase.QUICK)
    return replace(state, phase=Phase(min(state.phase + 1, Phase.KILLING)))


def _begin_stop(state: State, actions: Actions) -> State:
    actions += [Announce("STOPPING=1"), Simple.CLOSE_LISTENERS]
    return settle(state, state.trial, is_ok=False, text="Reload failed: the arbiter stops", actions=actions)


def _reload(state: State, actions: Actions) -> State:
    if state.phase is not Phase.RUNNING:
        return state
    number = state.generation + 1
    text = f"Reload of generation {state.trial} was overtaken by generation {number}"
    state = settle(state, state.trial, is_ok=False, text=text, actions=actions)
    if state.is_announced:
        actions.append(Announce("RELOADING=1"))
    actions.append(Load(number))
    return replace(state, generation=number, trial=number)


def _resize(state: State, event: Resize, actions: Actions) -> State:
    pool = state.pools.get(event.pool)
    if pool is None or state.phase is not Phase.RUNNING:
        return state
    wanted = pool.size + event.by if event.to is None else event.to
    size = min(max(1, wanted), state.slots // 2)
    if size == pool.size:
        return state
    actions.append(Say(Level.INFO, f"Pool {pool.name}: {pool.size} -> {size} workers"))
    return state.with_pool(replace(pool, size=size))


def _rest(state: State, actions: Actions) -> State:
    if state.phase is not Phase.RUNNING:
        return state
    actions.append(Say(Level.INFO, "Resting: no workers until SIGTTIN or SIGHUP"))
    return replace(state, pools={name: replace(pool, size=0) for name, pool in state.pools.items()})


def _tick(state: State, event: Tick, now: float) -> State:
    children = {}
    for slot, child in state.children.items():
        beat = max(child.beat, min(event.beats.get(child.pid, 0.0), now))
        if event.paused_s >= policy.PAUSE_S:
            deadline = None if child.deadline is None else child.deadline + event.paused_s
            booting = child.stage is Stage.BOOTING
            since = child.since + event.paused_s if booting else child.since
            child = replace(child, beat=now, since=since, deadline=deadline)
        elif beat != child.beat:
            child = replace(child, beat=beat)
        children[slot] = child
    return replace(state, children=children)


# what a death or a failure to boot means for the pool -------------------------------------------------------


def _died_booting(state: State, child: Child, event: Exited, now: float, actions: Actions) -> State:
    """A child went before it was ready, without the report that a worker which can still speak sends."""
    pool = state.pools[child.pool]
    if event.signal and child.is_staying and not pool.is_on_trial and child.generation == pool.generation:
        # A signal may come from outside (the operator, the kernel's out-of-memory killer): try again, not for ever.
        state = _slow_down(state, child.pool, BOOT, None, now, actions)
        if pool.good != NEVER or state.pools[child.pool].backoff.deaths < policy.FIRST_DEATHS:
            return state
    if child.why == BOOT_TIMEOUT:
        reason = f"not ready after {child.plan.boot_timeout_s:g} s; see --boot-timeout"
    else:
        reason = f"ended by {event.signal}" if event.signal else f"exited with code {event.code} before it was ready"
    code = event.code if event.code in _REASONS else _BOOT_FAILED
    return _cannot_boot(state, child, code or _BOOT_FAILED, reason, now, actions)


def _cannot_boot(state: State, child: Child, code: int, reason: str, now: float, actions: Actions) -> State:
    """One child of this generation certainly cannot boot: end the arbiter, roll back, or slow down."""
    pool = state.pools[child.pool]
    if child.generation != pool.generation:
        return _slow_down(state, child.pool, BOOT, None, now, actions)
    if pool.is_blocked:
        return state
    if pool.generation == state.trial and state.has_trial:
        return _roll_back(state, reason, now, actions)
    if pool.good == NEVER and pool.plan.waits_for_fix:
        text = f"Worker cannot boot: {reason}; waiting for a changed file"
        actions.append(Say(Level.ERROR, text))
        state = state.with_pool(replace(pool, is_blocked=True))
        return settle(state, pool.generation, is_ok=False, text=text, actions=actions, traceback=pool.traceback)
    if pool.good == NEVER and pool.name not in state.leaving:
        actions.append(Say(Level.ERROR, f"Worker cannot boot: {reason} {fields(child)}"))
        actions.append(Say(Level.ERROR, f"Reason: {_REASONS.get(code, _REASONS[_BOOT_FAILED])}"))
        state = _begin_stop(state, actions)
        return replace(state, phase=Phase.QUICK, exit_code=code)
    level = Level.DEBUG if pool.is_degraded else Level.ERROR
    actions.append(Say(level, f"Worker cannot boot: {reason} {fields(child)}"))
    return _slow_down(state, child.pool, BOOT, None, now, actions)


def _roll_back(state: State, reason: str, now: float, actions: Actions) -> State:
    """All pools go back to what served before: a release is one thing, however many pools it has."""
    failed = state.trial
    good = max(pool.good for pool in state.pools.values() if pool.good != failed)
    traceback = next((pool.traceback for pool in state.pools.values() if pool.traceback), "")
    text = f"Reload failed: generation {failed}: {reason}; generation {good} serves on"
    actions.append(Say(Level.ERROR, text))
    for pool in state.pools.values():
        if pool.generation != failed:
            continue
        if pool.good_plan is None:  # a pool that the failed settings brought: converge ends its children
            state = state.with_pool(replace(pool, size=0, is_blocked=True, is_leaving=True))
        else:
            fresh = policy.Backoff(0, now)
            state = state.with_pool(replace(pool, generation=pool.good, plan=pool.good_plan, backoff=fresh, rows={}))
    state = replace(state, leaving=frozenset())
    return settle(state, failed, is_ok=False, text=text, actions=actions, traceback=traceback)


def _slow_down(state: State, name: str, cause: str, ready_s: float | None, now: float, actions: Actions) -> State:
    """A worker died that nobody had told to go: hold the next one up, the longer the more deaths of this cause."""
    pool = state.pools[name]
    before = pool.rows.get(cause, policy.Backoff())
    row = policy.after_death(before, ready_s=ready_s, now=now, seed=state.seed, is_killed=cause in _OUTSIDE)
    longest = row if row.until >= pool.backoff.until else pool.backoff
    deaths = (*(at for at in pool.deaths if now - at < pool.plan.period_s), now)[-_DEATHS_KEPT:]
    pool = replace(pool, rows={**pool.rows, cause: row}, backoff=longest, deaths=deaths)
    if row.until > now:
        text = f"Pool {name}: {row.deaths} deaths in a row ({cause}), next spawn in {row.until - now:.1f} s"
        actions.append(Say(Level.DEBUG, text))
    if len(deaths) >= pool.plan.intensity and not pool.is_degraded:
        pool = replace(pool, is_degraded=True)
        ready = sum(child.stage is Stage.READY for child in state.of_pool(name))
        actions.append(
            Say(
                Level.ERROR,
                f"Pool {name}: degraded: {len(deaths)} deaths within {pool.plan.period_s:g} s, the last by {cause};"
                f" {ready} of {pool.size} workers ready. It is brought back one by one, more and more slowly",
            )
        )
    return state.with_pool(pool)
