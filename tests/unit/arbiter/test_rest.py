"""SIGWINCH of a daemon: no workers for a while, as the rollback of an upgrade wants it."""

from __future__ import annotations

from hybrid.arbiter.actions import Kill, Spawn
from hybrid.arbiter.events import Command, Exited, Loaded, Ready, Reload, Resize, Stop
from hybrid.arbiter.state import Plan, Signal
from tests.unit.arbiter.plays import Play, ready_workers


def resting() -> Play:
    play = ready_workers(101, 102).on(Command.REST).does(Kill(101, Signal.TERM), Kill(102, Signal.TERM))
    return play.says("Resting").on(Exited(101, code=0), Exited(102, code=0)).does()


def test_every_worker_finishes_and_none_follows() -> None:
    resting().after(1000.0).does()


def test_a_resize_brings_workers_back() -> None:
    resting().on(Resize("main", 1)).does(Spawn("main", 0, 0))


def test_a_reload_brings_them_all_back() -> None:
    play = resting().on(Reload()).on(Loaded(1, {"main": Plan(size=2)})).does(Spawn("main", 0, 1))
    play.spawned(201).on(Ready(201)).does(Spawn("main", 1, 1))


def test_a_stop_ends_a_resting_arbiter_at_once() -> None:
    play = resting().on(Stop(is_graceful=True))
    assert not play.state.children
    assert play.state.phase.name == "ENDED"
