"""The supervisor's rules, as scenarios."""

from __future__ import annotations

from hybrid.arbiter.actions import (
    Announce,
    Discard,
    Dump,
    Exit,
    Kill,
    Load,
    LogDeath,
    LogSilence,
    Settle,
    Simple,
    Spawn,
)
from hybrid.arbiter.events import (
    BootFailed,
    Command,
    Drained,
    Exited,
    Loaded,
    LoadFailed,
    Ready,
    Reload,
    Resize,
    Retiring,
    Spawned,
    SpawnFailed,
    Stop,
)
from hybrid.arbiter.policy import DRAIN_SLACK_S
from hybrid.arbiter.state import Phase, Plan, Signal, Stage
from tests.unit.arbiter.plays import Play, loaded, ready_workers, reloaded

TERM, QUIT, ABRT, KILL = Signal.TERM, Signal.QUIT, Signal.ABRT, Signal.KILL


def spawn(slot: int, generation: int = 0) -> Spawn:
    return Spawn("main", slot, generation)


# start ------------------------------------------------------------------------------------------------------


def test_first_generation_starts_all_workers_at_once() -> None:
    loaded(3).does(spawn(0), spawn(1), spawn(2))


def test_service_manager_is_told_once_and_not_before_a_worker_is_ready() -> None:
    play = loaded(2).spawned(101, 102).does()
    play.on(Ready(101)).does(Announce("READY=1"))
    play.on(Ready(102)).does()


def test_first_generation_that_cannot_load_ends_the_arbiter_with_4_and_kills_the_siblings() -> None:
    play = loaded(3).spawned(101, 102, 103)
    play.on(BootFailed(101, 4, "no module 'shop'", "Traceback ...")).does(
        Simple.CLOSE_LISTENERS, Kill(101, QUIT), Kill(102, QUIT), Kill(103, QUIT)
    ).says("Traceback ...", "Reason: App failed to load.", "no module 'shop'")
    play.on(BootFailed(102, 4, "no module 'shop'", "Traceback ...")).does().says_nothing_of("Traceback")
    play.on(Exited(101, code=4), Exited(102, code=4)).does()
    play.after(0.5).does(Kill(103, KILL))
    play.on(Exited(103, signal="SIGKILL")).does(Exit(4))


def test_the_reason_of_a_stop_is_not_the_stop() -> None:
    """Whoever could not boot is said to have died of that, and its siblings of the stop that it led to."""
    play = loaded(2).spawned(101, 102).on(BootFailed(101, 4, "no module 'shop'"))
    whys = {child.pid: child.why for child in play.state.children.values()}
    assert whys == {101: "boot failed", 102: "stop"}


def test_worker_that_fails_to_boot_first_ends_the_arbiter_with_3() -> None:
    play = loaded(1).spawned(101).on(BootFailed(101, 3, "lifespan")).says("Reason: Worker failed to boot.")
    play.on(Exited(101, code=3)).does(Exit(3))


def test_settings_that_a_worker_refuses_end_the_arbiter_with_1() -> None:
    loaded(1).spawned(101).on(BootFailed(101, 1, "worker class")).on(Exited(101, code=1)).does(Exit(1))


def test_exit_before_ready_without_a_reason_is_a_failure_to_boot() -> None:
    loaded(1).spawned(101).on(Exited(101, code=0)).does(Simple.CLOSE_LISTENERS, Exit(3)).says("exited with code 0")
    loaded(1).spawned(101).on(Exited(101, code=4)).does(Simple.CLOSE_LISTENERS, Exit(4))
    loaded(1).spawned(101).on(Exited(101, code=77)).does(Simple.CLOSE_LISTENERS, Exit(3))


def test_a_signal_before_ready_is_tried_again_but_not_for_ever() -> None:
    play = loaded(1).spawned(101)
    play.on(Exited(101, signal="SIGKILL")).does(spawn(0)).spawned(102)
    play.on(Exited(102, signal="SIGSEGV")).does().wakes_in(0.1)
    play.after(0.1).does(spawn(0)).spawned(103)
    play.on(Exited(103, signal="SIGSEGV")).does(Simple.CLOSE_LISTENERS, Exit(3)).says("ended by SIGSEGV")


def test_one_ready_worker_is_enough_to_keep_the_arbiter_when_a_sibling_cannot_boot() -> None:
    play = loaded(2).spawned(101, 102).on(Ready(101))
    play.on(BootFailed(102, 3, "flaky")).does().says("Worker cannot boot: flaky")
    play.on(Exited(102, code=3)).does(spawn(1))


def test_with_reload_a_first_generation_that_cannot_boot_waits_for_a_change() -> None:
    play = loaded(2, waits_for_fix=True).spawned(101, 102)
    play.on(BootFailed(101, 4, "SyntaxError", "Traceback 1")).does().says("waiting for a changed file", "Traceback 1")
    play.on(BootFailed(102, 4, "SyntaxError", "Traceback 1")).does().says_nothing_of("Traceback")
    play.on(Exited(101, code=4), Exited(102, code=4)).does().wakes_in(None)
    reloaded(play).does(spawn(0, 1), spawn(1, 1))


# deaths -----------------------------------------------------------------------------------------------------


def test_worker_that_served_well_is_replaced_at_once_every_time() -> None:
    play = ready_workers(101, 102)
    play.on(Exited(101, signal="SIGKILL")).does(spawn(0))
    play.spawned(103).on(Ready(103)).on(Exited(102, signal="SIGKILL")).does(spawn(1))


def test_respawn_is_slower_while_deaths_go_on_and_quick_again_afterwards() -> None:
    play = ready_workers(101)
    delays = []
    pid = 101
    play.on(Exited(pid, signal="SIGSEGV")).does(spawn(0))  # it had served for a minute
    for _ in range(6):
        pid += 1
        play.spawned(pid).on(Ready(pid)).on(Exited(pid, signal="SIGSEGV"))
        delays.append(round(play.state.pools["main"].backoff.until - play.now, 3))
        if delays[-1]:
            play.does().after(delays[-1])
        play.does(spawn(0))
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6]
    play.spawned(201).on(Ready(201)).after(3600.0, beating=(201,)).on(Exited(201, signal="SIGKILL")).does(spawn(0))


def test_workers_that_somebody_keeps_killing_are_replaced_at_once_when_they_had_served_a_second() -> None:
    play = ready_workers(101)
    for pid in range(102, 130):
        play.on(Exited(pid - 1, signal="SIGKILL")).does(spawn(0))
        play.spawned(pid).on(Ready(pid)).after(1.0, beating=(pid,))
    play.on(Exited(129, signal="SIGSEGV")).does(spawn(0)).spawned(130).on(Ready(130)).after(1.0, beating=(130,))
    play.on(Exited(130, signal="SIGSEGV")).does()


def test_after_several_deaths_in_a_row_only_one_worker_boots_at_a_time() -> None:
    play = loaded(4).spawned(101, 102, 103, 104).on(Ready(101), Ready(102), Ready(103), Ready(104))
    play.on(*(Exited(pid, signal="SIGSEGV") for pid in (101, 102, 103, 104)))
    play.spawned(105).after(30.0).does()
    play.on(Ready(105)).does(spawn(1))


def test_fork_that_fails_is_tried_again_later() -> None:
    play = Play().on(Loaded(0, {"main": Plan(size=1)})).does(spawn(0))
    play.on(SpawnFailed(0, "Resource temporarily unavailable")).does().wakes_in(0.1).says("Cannot fork a worker")
    play.after(0.1).does(spawn(0))


def test_worker_told_to_go_by_somebody_else_is_replaced_while_it_drains() -> None:
    play = ready_workers(101).on(Drained(101, "SIGTERM")).does(spawn(1)).spawned(102)
    play.on(Exited(101, code=0)).does()


def test_unknown_processes_change_nothing() -> None:
    ready_workers(101).on(Exited(999, code=1), Ready(998), BootFailed(997, 4, ""), Retiring(996, "")).does()


# deadlines --------------------------------------------------------------------------------------------------


def test_drain_delay_lengthens_a_stop_and_not_a_retirement() -> None:
    play = ready_workers(101, graceful_timeout_s=10.0, drain_delay_s=5.0, timeout_s=0.0).on(Stop(is_graceful=True))
    assert play.state.children[0].deadline == play.now + 10.0 + 5.0 + DRAIN_SLACK_S
    play = ready_workers(101, 102, graceful_timeout_s=10.0, drain_delay_s=5.0, timeout_s=0.0)
    play.on(Resize("main", -1))
    assert play.state.children[0].deadline == play.now + 10.0 + DRAIN_SLACK_S


def test_settings_that_are_overtaken_while_they_load_are_given_back() -> None:
    play = ready_workers(101).on(Reload(), Reload(), Loaded(1, {"main": Plan(size=1)}))
    assert Discard(1) in play.actions
    play.on(Loaded(2, {"main": Plan(size=1)}))
    assert Discard(2) not in play.actions


def test_silent_worker_is_aborted_then_killed() -> None:
    play = ready_workers(101, 102, timeout_s=30.0).wakes_in(30.0)
    play.after(29.0, beating=(102,)).does()
    play.after(1.0, beating=(102,))
    child = play.before.child_of(101)
    assert child is not None
    play.does(LogSilence(child, 30.0), Kill(101, ABRT), spawn(2)).spawned(103).on(Ready(103))
    play.after(1.0, beating=(102, 103)).does()
    play.after(0.5, beating=(102, 103)).does(Kill(101, KILL))
    play.on(Exited(101, signal="SIGKILL")).does()


def test_beat_moves_the_deadline() -> None:
    play = ready_workers(101, timeout_s=30.0).after(29.0, beating=(101,)).does().wakes_in(30.0)
    play.after(29.0).does()
    play.after(1.0).does(Kill(101, ABRT), spawn(1))


def test_timeout_zero_waits_for_ever() -> None:
    ready_workers(101, timeout_s=0.0).wakes_in(None).after(1e6).does()


def test_paused_machine_is_not_taken_for_silent_workers() -> None:
    ready_workers(101, timeout_s=30.0).after(500.0, paused_s=470.0).does().wakes_in(30.0)


def test_clock_from_the_future_does_not_buy_a_worker_time() -> None:
    play = ready_workers(101, timeout_s=30.0)
    play.now += 1.0
    from hybrid.arbiter.events import Tick

    play.on(Tick({101: play.now + 1e9})).wakes_in(30.0)


def test_boot_has_its_own_deadline() -> None:
    play = ready_workers(101, boot_timeout_s=120.0)
    reloaded(play).does(spawn(1, 1)).spawned(201)
    play.after(119.0, beating=(101,)).does()
    play.after(1.0, beating=(101,)).does(Kill(201, ABRT))
    play.after(1.5, beating=(101,)).does(Kill(201, KILL))
    play.on(Exited(201, signal="SIGKILL")).does().says("Reload failed", "--boot-timeout", "generation 0 serves on")


def test_first_generation_that_hangs_at_boot_ends_the_arbiter() -> None:
    play = loaded(1, boot_timeout_s=5.0).spawned(101).wakes_in(5.0)
    play.after(5.0).does(Kill(101, ABRT))
    play.on(Exited(101, signal="SIGABRT")).does(Simple.CLOSE_LISTENERS, Exit(3)).says("--boot-timeout")


def test_draining_worker_is_killed_a_little_after_the_graceful_time() -> None:
    play = ready_workers(101, graceful_timeout_s=10.0, timeout_s=0.0).on(Stop(is_graceful=True))
    play.does(Simple.CLOSE_LISTENERS, Kill(101, TERM)).wakes_in(10.8)
    play.after(10.8).does(Dump(101)).wakes_in(0.2)
    play.after(0.1).does()
    play.after(0.125).does(Kill(101, KILL))


def test_draining_worker_is_killed_even_when_the_arbiter_is_late() -> None:
    play = ready_workers(101, graceful_timeout_s=10.0, timeout_s=0.0).on(Stop(is_graceful=True))
    play.after(11.0).does(Kill(101, KILL))
    play.on(Exited(101, signal="SIGKILL")).does(LogDeath(play.before.children[0], None, "SIGKILL"), Exit(0))


def test_draining_worker_that_stops_beating_is_aborted_by_the_timeout() -> None:
    play = ready_workers(101, graceful_timeout_s=100.0, timeout_s=30.0).on(Stop(is_graceful=True))
    play.after(30.0).does(Kill(101, ABRT))


def test_process_that_survives_sigkill_does_not_hold_up_a_stop() -> None:
    play = ready_workers(101, timeout_s=0.0).on(Stop(is_graceful=False)).after(2.0).does(Kill(101, KILL))
    play.after(10.0).does(Exit(0)).says("giving it up")


def test_process_that_survives_sigkill_keeps_its_slot() -> None:
    play = ready_workers(101, timeout_s=30.0).after(30.0).does(Kill(101, ABRT), spawn(1)).spawned(102).on(Ready(102))
    play.after(1.5, beating=(102,)).does(Kill(101, KILL))
    play.after(10.0, beating=(102,)).does().says("its slot stays taken")
    play.on(Resize("main", 1)).does(spawn(2))


# reload -----------------------------------------------------------------------------------------------------


def test_reload_boots_one_worker_on_trial_then_replaces_one_for_one() -> None:
    play = ready_workers(101, 102).on(Reload()).does(Load(1))
    play.on(Loaded(1, {"main": Plan(size=2)})).does(spawn(2, 1))
    play.on(Spawned(2, 201)).does()
    play.on(Ready(201)).does(Kill(101, TERM), spawn(3, 1)).spawned(202).does()
    play.on(Ready(202)).does(Kill(102, TERM), Discard(0))
    play.on(Exited(101, code=0), Exited(102, code=0)).does()


def test_reload_that_cannot_boot_leaves_the_old_workers_alone() -> None:
    play = ready_workers(101, 102)
    reloaded(play).does(spawn(2, 1)).spawned(201)
    play.on(BootFailed(201, 4, "SyntaxError", "Traceback")).says(
        "Traceback", "Reload failed: generation 1: SyntaxError"
    )
    play.does()
    play.on(Exited(201, code=4)).does(Discard(1)).after(1.0, beating=(101, 102)).does()
    play.on(Exited(101, signal="SIGKILL")).does(spawn(0, 0))


def test_reload_that_dies_without_a_word_rolls_back_too() -> None:
    for exited in (Exited(201, code=3), Exited(201, signal="SIGSEGV"), Exited(201, code=0)):
        play = ready_workers(101)
        reloaded(play).spawned(201).on(exited).does().says("Reload failed")


def test_settings_that_cannot_be_loaded_change_nothing() -> None:
    play = ready_workers(101).on(Reload()).on(LoadFailed(1, "bind: in use")).does().says("Reload failed: bind: in use")
    play.on(Exited(101, code=1)).does(spawn(0, 0))


def test_old_worker_that_dies_during_a_trial_is_replaced_from_the_old_generation() -> None:
    play = ready_workers(101, 102)
    reloaded(play).does(spawn(2, 1)).spawned(201)
    play.on(Exited(101, signal="SIGKILL")).does(spawn(0, 0)).spawned(103)
    play.on(Ready(201)).does(Kill(103, TERM), spawn(3, 1))


def test_reload_during_a_trial_supersedes_it() -> None:
    play = ready_workers(101)
    reloaded(play).spawned(201)
    reloaded(play).does(Kill(201, TERM), spawn(2, 2)).spawned(301)
    play.on(Exited(201, code=0)).does()
    play.on(Ready(301)).does(Kill(101, TERM))


def test_reload_sets_the_size_back_once_it_is_up() -> None:
    play = ready_workers(101).on(Resize("main", 1)).does(spawn(1)).spawned(102).on(Ready(102))
    reloaded(play).does(spawn(2, 1)).spawned(201)
    play.on(Ready(201)).does(Kill(101, TERM), Kill(102, TERM))


def test_surge_bounds_how_many_exist_beyond_the_size() -> None:
    play = ready_workers(101, 102, 103, 104)
    reloaded(play, surge=1).does(spawn(4, 1)).spawned(201)
    for old, pid, slot in ((101, 201, 5), (102, 202, 6), (103, 203, 7)):
        play.on(Ready(pid)).does(Kill(old, TERM), spawn(slot, 1)).spawned(pid + 1)
    play.on(Ready(204)).does(Kill(104, TERM))


def test_worker_that_becomes_ready_after_it_was_superseded_does_not_count() -> None:
    play = ready_workers(101)
    reloaded(play).spawned(201)
    reloaded(play).spawned(301)
    play.on(Ready(201)).does()
    assert play.state.pools["main"].is_on_trial


# replacing --------------------------------------------------------------------------------------------------


def test_max_requests_boots_the_successor_before_the_old_one_goes() -> None:
    play = ready_workers(101, 102).on(Retiring(101, "max-requests")).does(spawn(2)).spawned(103).does()
    play.on(Retiring(101, "max-requests")).does()
    play.on(Ready(103)).does(Kill(101, TERM))
    play.on(Exited(101, code=0)).does()


def test_all_workers_at_max_requests_at_once_never_leave_fewer_ready_than_the_size() -> None:
    pids = (101, 102, 103, 104)
    play = ready_workers(*pids).on(*(Retiring(pid, "max-requests") for pid in pids))
    play.spawned(201, 202, 203, 204)
    for new in (201, 202, 203, 204):
        play.on(Ready(new))
        ready = [c for c in play.state.children.values() if c.stage is Stage.READY]
        assert len(ready) == 4
    assert {child.pid for child in play.state.children.values() if child.stage is Stage.READY} == {201, 202, 203, 204}


def test_ttin_adds_a_worker_and_ttou_retires_the_oldest_but_never_the_last() -> None:
    play = ready_workers(101).on(Resize("main", 1)).does(spawn(1)).spawned(102).on(Ready(102)).does()
    play.on(Resize("main", -1)).does(Kill(101, TERM))
    play.on(Resize("main", -1)).does()


def test_ttou_ends_a_worker_that_is_still_booting_rather_than_one_that_serves() -> None:
    play = ready_workers(101).on(Resize("main", 1)).spawned(102)
    play.on(Resize("main", -1)).does(Kill(102, TERM))


def test_reopen_reaches_every_worker() -> None:
    ready_workers(101, 102).on(Command.REOPEN).does(Simple.REOPEN_LOGS, Kill(101, Signal.USR1), Kill(102, Signal.USR1))


# stop -------------------------------------------------------------------------------------------------------


def test_graceful_stop_waits_for_the_workers() -> None:
    play = ready_workers(101, 102).on(Stop(is_graceful=True))
    play.does(Announce("STOPPING=1"), Simple.CLOSE_LISTENERS, Kill(101, TERM), Kill(102, TERM))
    play.on(Exited(101, code=0)).does()
    play.on(Exited(102, code=0)).does(Exit(0))


def test_every_further_signal_hardens_the_stop() -> None:
    play = ready_workers(101).on(Stop(is_graceful=True)).does(Simple.CLOSE_LISTENERS, Kill(101, TERM))
    play.on(Stop(is_graceful=True)).does(Kill(101, QUIT)).wakes_in(1.8)
    play.on(Stop(is_graceful=True)).does(Kill(101, KILL))
    play.on(Stop(is_graceful=True)).does()


def test_quick_stop_kills_what_does_not_go() -> None:
    play = ready_workers(101).on(Stop(is_graceful=False)).does(Simple.CLOSE_LISTENERS, Kill(101, QUIT))
    play.after(2.0).does(Kill(101, KILL))


def test_stop_while_booting_and_spawning_ends_everything() -> None:
    play = loaded(2).on(Spawned(0, 101)).on(Stop(is_graceful=True)).does(Simple.CLOSE_LISTENERS, Kill(101, TERM))
    play.on(Spawned(1, 102)).does(Kill(102, TERM))
    play.on(Exited(101, code=0), Exited(102, code=0)).does(Exit(0))


def test_stop_during_a_reload_spawns_nothing_more() -> None:
    play = ready_workers(101)
    reloaded(play).spawned(201).on(Stop(is_graceful=True)).does(
        Simple.CLOSE_LISTENERS, Kill(101, TERM), Kill(201, TERM)
    )
    play.on(Ready(201)).on(Reload(), Resize("main", 1), Loaded(2, {"main": Plan(size=5)})).does()


def test_nothing_is_decided_after_exit() -> None:
    play = ready_workers(101).on(Stop(is_graceful=False)).on(Exited(101, code=0)).does(Exit(0))
    assert play.state.phase is Phase.ENDED
    play.on(Stop(is_graceful=False), Reload(), Ready(101)).does()


def test_stop_without_any_worker_exits_at_once() -> None:
    Play().on(Stop(is_graceful=True)).does(Simple.CLOSE_LISTENERS, Exit(0))


# pools ------------------------------------------------------------------------------------------------------


def test_pools_share_the_slots_and_nothing_else() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=1), "ws": Plan(size=1)}))
    play.does(Spawn("web", 0, 0), Spawn("ws", 1, 0)).spawned(101, 102).on(Ready(101), Ready(102))
    play.on(Resize("ws", 1)).does(Spawn("ws", 2, 0)).spawned(103).on(Ready(103))
    play.on(Exited(101, signal="SIGSEGV")).does(Spawn("web", 0, 0))


def test_manager_is_told_ready_when_every_pool_can_serve() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=2), "ws": Plan(size=1)})).spawned(101, 102, 103)
    play.on(Ready(101), Ready(102))
    assert not play.state.is_announced
    play.on(Ready(103)).does(Announce("READY=1"))
    play.on(Exited(103, signal="SIGSEGV")).spawned(104).on(Ready(104))
    assert not [action for action in play.actions if isinstance(action, Announce)]


def test_pool_that_dies_again_and_again_does_not_touch_the_other() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=2, max_memory=1), "ws": Plan(size=2)})).spawned(1, 2, 3, 4)
    play.on(*(Ready(pid) for pid in (1, 2, 3, 4))).after(60.0, beating=(1, 2, 3, 4), paused_s=60.0)
    pid = 4
    for death in range(30):
        victim = next(child for child in play.state.of_pool("ws") if child.pid)
        if death % 3:
            play.on(Exited(victim.pid, signal="SIGKILL"))
        elif victim.stage is Stage.BOOTING:
            play.on(BootFailed(victim.pid, 4, "no module")).on(Exited(victim.pid, code=4))
        while not any(child.pid for child in play.state.of_pool("ws")):
            orders = [action for action in play.actions if isinstance(action, Spawn)]
            assert {order.pool for order in orders} <= {"ws"}
            for order in orders:
                pid += 1
                play.on(Spawned(order.slot, pid))
            if not orders:
                play.after(40.0, beating=(1, 2))
    assert play.state.pools["ws"].is_degraded
    assert not play.state.pools["web"].is_degraded
    assert [(child.pid, child.stage) for child in play.state.of_pool("web")] == [(1, Stage.READY), (2, Stage.READY)]
    assert play.state.phase is Phase.RUNNING


def test_pool_that_the_settings_no_longer_name_is_retired() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=1), "ws": Plan(size=1)})).spawned(101, 102)
    play.on(Ready(101), Ready(102)).on(Reload()).on(Loaded(1, {"web": Plan(size=1)}))
    play.does(Spawn("web", 2, 1))
    play.on(Spawned(2, 201), Ready(201)).does(Kill(101, TERM), Kill(102, TERM))
    play.on(Exited(101, code=0), Exited(102, code=0))
    assert play.state.pools.keys() == {"web"}


def test_pool_that_cannot_boot_may_be_taken_out_by_a_reload() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=1), "ws": Plan(size=1)})).spawned(101, 102)
    play.on(Ready(101), Reload()).on(Loaded(1, {"web": Plan(size=1)})).spawned(201)
    play.on(BootFailed(102, 4, "no module"), Exited(102, code=4)).spawned(103)
    assert play.state.phase is Phase.RUNNING
    play.on(Ready(201), Exited(101, code=0), Exited(103, code=0))
    assert play.state.pools.keys() == {"web"}


def test_reload_that_fails_in_one_pool_is_rolled_back_in_all() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=1), "ws": Plan(size=1)})).spawned(101, 102)
    play.on(Ready(101), Ready(102)).on(Reload()).on(Loaded(1, {"web": Plan(size=1), "ws": Plan(size=1)}))
    play.does(Spawn("web", 2, 1), Spawn("ws", 3, 1)).spawned(201, 202)
    play.on(Ready(201)).does()
    play.on(BootFailed(202, 4, "no module 'chat'", "Traceback")).does(
        Settle(1, False, f"Reload failed: generation 1: no module 'chat'; {SERVES_ON}", "Traceback"), Kill(201, TERM)
    )
    play.on(Exited(201, code=0), Exited(202, code=4)).does()
    assert {child.pid for child in play.state.children.values()} == {101, 102}


def test_reload_may_name_every_pool_anew() -> None:
    play = Play().on(Loaded(0, {"main": Plan(size=1)})).spawned(101).on(Ready(101), Reload())
    play.on(Loaded(1, {"web": Plan(size=1), "ws": Plan(size=1)})).does(Spawn("web", 1, 1), Spawn("ws", 2, 1))
    play.spawned(201, 202).on(Ready(201)).does()
    play.on(Ready(202)).does(Kill(101, TERM))
    play.on(Exited(101, code=0)).does(Settle(1, True, "Reloaded: generation 1 serves with 2 workers"))
    assert play.state.pools.keys() == {"web", "ws"}


def test_reload_with_new_pools_that_cannot_boot_leaves_the_old_one() -> None:
    play = Play().on(Loaded(0, {"main": Plan(size=1)})).spawned(101).on(Ready(101), Reload())
    play.on(Loaded(1, {"web": Plan(size=1), "ws": Plan(size=1)})).spawned(201, 202).on(Ready(201))
    play.on(BootFailed(202, 4, "no module")).does(
        Settle(1, False, f"Reload failed: generation 1: no module; {SERVES_ON}", ""), Kill(201, TERM)
    )
    play.on(Exited(202, code=4), Exited(201, code=0)).does()
    assert play.state.pools.keys() == {"main"}
    assert play.state.phase is Phase.RUNNING


def test_pool_that_a_failed_reload_brought_goes_again() -> None:
    play = Play().on(Loaded(0, {"web": Plan(size=1)})).spawned(101).on(Ready(101), Reload())
    play.on(Loaded(1, {"web": Plan(size=1), "ws": Plan(size=2)}))
    play.does(Spawn("web", 1, 1), Spawn("ws", 2, 1), Spawn("ws", 3, 1)).spawned(201, 202, 203)
    play.on(Ready(201), Ready(202)).does(Kill(101, TERM))
    play = Play().on(Loaded(0, {"web": Plan(size=1)})).spawned(101).on(Ready(101), Reload())
    play.on(Loaded(1, {"web": Plan(size=1), "ws": Plan(size=2)})).spawned(201, 202, 203).on(Ready(202))
    play.on(BootFailed(201, 4, "why")).does(Kill(203, TERM), Kill(202, TERM)).says("generation 0 serves on")
    play.on(Exited(202, code=0), Exited(203, code=0), Exited(201, code=4)).does()
    assert play.state.pools.keys() == {"web"}


# the outcome of a reload ------------------------------------------------------------------------------------

SERVES_ON = "generation 0 serves on"


def test_reload_is_settled_when_the_new_generation_serves_alone() -> None:
    play = ready_workers(101, 102)
    play.on(Reload()).does(Announce("RELOADING=1"), Load(1))
    play.on(Loaded(1, {"main": Plan(size=2)})).spawned(201).on(Ready(201)).does(Kill(101, TERM), spawn(3, 1))
    play.spawned(202).on(Ready(202)).does(
        Kill(102, TERM), Settle(1, True, "Reloaded: generation 1 serves with 2 workers"), Announce("READY=1")
    )


def test_reload_is_settled_when_the_settings_are_wrong() -> None:
    play = ready_workers(101).on(Reload())
    play.on(LoadFailed(1, "workers: no number")).does(
        Settle(1, False, "Reload failed: workers: no number; nothing was changed"), Announce("READY=1")
    )


def test_reload_is_settled_when_another_overtakes_it_and_when_the_arbiter_stops() -> None:
    play = reloaded(ready_workers(101))
    play.on(Reload()).does(
        Settle(1, False, "Reload of generation 1 was overtaken by generation 2"),
        Announce("READY=1"),
        Announce("RELOADING=1"),
        Load(2),
    )
    play.on(Stop(is_graceful=True))
    assert Settle(2, False, "Reload failed: the arbiter stops") in play.actions
