"""Why workers are replaced, and how many at a time: one budget for all reasons."""

from __future__ import annotations

from hybrid.arbiter.actions import Dump, Kill, Measure, Spawn
from hybrid.arbiter.events import Exited, Measured, Ready, Resize, Retiring, Spawned
from hybrid.arbiter.state import Signal, Stage
from tests.unit.arbiter.plays import Play, loaded, ready_workers, reloaded

TERM, KILL = Signal.TERM, Signal.KILL
MB = 1 << 20


def ready(play: Play) -> int:
    return sum(child.stage is Stage.READY and child.is_staying for child in play.state.children.values())


def carry_on(play: Play, at_once: int) -> int:
    """Let what was ordered happen until nothing more is: the number of workers that were replaced."""
    pid, replaced = 500, 0
    while True:
        orders = [action for action in play.actions if isinstance(action, Spawn)]
        gone = [action.pid for action in play.actions if isinstance(action, Kill)]
        if not orders and not gone:
            return replaced
        booting = sum(child.stage in (Stage.SPAWNING, Stage.BOOTING) for child in play.state.children.values())
        assert booting <= at_once
        events = []
        for order in orders:
            pid += 1
            events += [Spawned(order.slot, pid), Ready(pid)]
        replaced += len(gone)
        play.on(*events, *(Exited(old, code=0) for old in gone))
        assert ready(play) >= 8


def test_eight_that_retire_at_once_leave_eight_ready_and_go_two_at_a_time() -> None:
    pids = tuple(range(101, 109))
    play = ready_workers(*pids, surge=2)
    play.on(*(Retiring(pid, "max-requests") for pid in pids))
    assert carry_on(play, at_once=2) == 8
    assert ready(play) == 8


def test_reload_and_all_other_reasons_share_the_budget() -> None:
    pids = tuple(range(101, 109))
    play = reloaded(ready_workers(*pids, surge=2))
    first = play.state.children[8]
    play.spawned(201).on(*(Retiring(pid, "max-requests") for pid in pids)).does(Spawn("main", 9, 0))
    assert (first.generation, ready(play)) == (1, 8)


def test_lifetime_replaces_make_before_break_and_spreads() -> None:
    play = loaded(3, lifetime_s=100.0, timeout_s=0.0, surge=1).spawned(101, 102, 103)
    play.on(Ready(101), Ready(102), Ready(103))
    due = [child.recycle_at for child in play.state.children.values()]
    assert len(set(due)) == 3
    assert all(at is not None and 1090.0 <= at <= 1100.0 for at in due)
    play.wakes_in(round(min(at for at in due if at is not None) - play.now, 6))
    play.after(100.0).does(Spawn("main", 3, 0)).says("reason='lifetime'")
    play.spawned(201).on(Ready(201))
    (kill, spawn) = [action for action in play.actions if isinstance(action, Kill | Spawn)]
    assert kill == Kill(101, TERM)
    assert spawn == Spawn("main", 4, 0)


def test_memory_above_the_limit_is_replaced_after_its_successor_is_ready() -> None:
    play = loaded(2, max_memory=100 * MB, timeout_s=0.0).spawned(101, 102).on(Ready(101), Ready(102))
    assert Measure((101,), 100 * MB) in play.actions
    play.wakes_in(5.0)
    play.after(5.0).does(Measure((101, 102), 100 * MB))
    play.on(Measured({101: 99 * MB, 102: 101 * MB})).does(Spawn("main", 2, 0)).says("reason='memory 101 MB > 100 MB'")
    play.on(Measured({102: 200 * MB})).does()
    play.on(Spawned(2, 201), Ready(201)).does(Kill(102, TERM))


def test_memory_above_the_hard_limit_is_killed_with_its_stacks() -> None:
    play = ready_workers(101, hard_memory=100 * MB, timeout_s=0.0)
    play.on(Measured({101: 101 * MB})).does(Dump(101), Spawn("main", 1, 0)).says("WORKER MEMORY (pid:101)")
    play.after(0.25).does(Kill(101, KILL))
    play.on(Exited(101, signal="SIGKILL"))
    assert play.state.pools["main"].rows.keys() == {"memory limit"}


def test_without_limits_nothing_is_measured() -> None:
    ready_workers(101, timeout_s=0.0).after(1000.0).does().wakes_in(None)


def test_resize_to_a_number() -> None:
    ready_workers(101).on(Resize("main", to=3)).does(Spawn("main", 1, 0), Spawn("main", 2, 0))


# crash loops ------------------------------------------------------------------------------------------------


def crash(play: Play, pid: int, signal: str = "SIGSEGV") -> int:
    """The worker dies, and the next one is ready as soon as it may be: its pid."""
    play.on(Exited(pid, signal=signal))
    if not any(isinstance(action, Spawn) for action in play.actions):
        play.after(play.state.pools["main"].backoff.until - play.now)
    play.spawned(pid + 1).on(Ready(pid + 1))
    return pid + 1


def test_degraded_is_said_once_and_so_is_recovered() -> None:
    play = loaded(1, timeout_s=0.0, intensity=3, period_s=60.0).spawned(101).on(Ready(101))
    pid, said = 101, 0
    for _ in range(10):
        play.on(Exited(pid, signal="SIGSEGV"))
        said += sum("degraded" in getattr(action, "text", "") for action in play.actions)
        if not any(isinstance(action, Spawn) for action in play.actions):
            play.after(play.state.pools["main"].backoff.until - play.now)
        pid += 1
        play.spawned(pid).on(Ready(pid))
    assert said == 1
    play.wakes_in(10.0)
    play.after(10.0).says("Pool main: recovered, 1 of 1 workers ready").wakes_in(None)
    assert not play.state.pools["main"].is_degraded


def test_what_still_works_is_kept_while_degraded() -> None:
    play = ready_workers(101, 102, timeout_s=0.0, intensity=2)
    pid = 102
    for _ in range(5):
        pid = crash(play, pid)
    assert play.state.pools["main"].is_degraded
    assert 101 in {child.pid for child in play.state.children.values() if child.stage is Stage.READY}


def test_each_cause_has_its_own_row() -> None:
    play = loaded(1, timeout_s=0.0).spawned(101).on(Ready(101))
    pid = 101
    for _ in range(4):
        pid = crash(play, pid)
    play.after(1.0).on(Exited(pid, code=7)).does(Spawn("main", 0, 0))
    assert {cause: row.deaths for cause, row in play.state.pools["main"].rows.items()} == {"SIGSEGV": 4, "exit 7": 1}


def test_delays_are_spread_by_the_seed_and_no_longer_than_a_quarter() -> None:
    from hybrid.arbiter.policy import Backoff, after_death, delay_after

    delays = {after_death(Backoff(4, 0.0), ready_s=None, now=1.0, seed=seed / 10).until - 1.0 for seed in range(1, 10)}
    assert len(delays) == 9
    assert all(delay_after(5) <= delay <= 1.25 * delay_after(5) for delay in delays)
