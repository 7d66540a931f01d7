"""What the gevent worker adds to the reactor: a poller that lets greenlets run, and the greenlet of a connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import gevent
import pytest

from hybrid_workers.call import Call
from hybrid_workers.gevent_connection import Keeper
from hybrid_workers.gevent_poller import HubPoller
from hybrid_workers.poller import READ


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_is_ready_is_reported_until_it_is_taken(pipe: tuple[int, int]) -> None:
    poller = HubPoller()
    poller.register(pipe[0], READ)
    os.write(pipe[1], b"x")
    assert poller.poll(0, 10) == [(pipe[0], READ)]
    assert poller.poll(60, 10) == [(pipe[0], READ)]
    os.read(pipe[0], 1)
    assert poller.poll(0, 10) == []
    poller.unregister(pipe[0])


def test_other_greenlets_run_while_it_waits(pipe: tuple[int, int]) -> None:
    poller = HubPoller()
    poller.register(pipe[0], READ)
    gevent.spawn(os.write, pipe[1], b"x")
    assert poller.poll(60, 10) == [(pipe[0], READ)]


def test_other_greenlets_run_even_when_it_does_not_wait() -> None:
    ran: list[int] = []
    gevent.spawn(ran.append, 1)
    assert HubPoller().poll(0, 10) == []
    assert ran == [1]


def test_a_wait_ends_when_its_time_is_over_or_somebody_wakes_it() -> None:
    poller = HubPoller()
    assert poller.poll(0.001, 10) == []
    gevent.spawn(poller.wake)
    assert poller.poll(60, 10) == []


def test_a_wake_that_comes_before_the_wait_harms_nobody() -> None:
    poller = HubPoller()
    poller.wake()
    gevent.sleep(0)
    assert poller.poll(0.001, 10) == []


class FakeCall:
    """Notes in which greenlet it is run."""

    def __init__(self, *, is_client_gone: bool = False) -> None:
        self.is_client_gone = is_client_gone
        self.ran_in: list[Any] = []
        self.abandoned_in: list[Any] = []

    def run(self) -> None:
        self.ran_in.append(gevent.getcurrent())

    def abandon(self) -> None:
        self.abandoned_in.append(gevent.getcurrent())


@pytest.fixture
def settled() -> list[Call]:
    return []


@pytest.fixture
def keeper(settled: list[Call]) -> Iterator[Keeper]:
    made = Keeper(settled.append)
    yield made
    made.end()
    made.join(timeout=5)
    assert made.dead


def give(keeper: Keeper, call: FakeCall) -> None:
    keeper.give(cast("Call", call))
    gevent.sleep(0)
    gevent.sleep(0)


def test_all_calls_of_a_connection_run_in_one_greenlet(keeper: Keeper, settled: list[Call]) -> None:
    calls = [FakeCall(), FakeCall()]
    for call in calls:
        give(keeper, call)
    give(keeper, calls[0])  # it had been parked
    assert settled == [calls[0], calls[1], calls[0]]
    assert calls[0].ran_in == [keeper, keeper]
    assert calls[1].ran_in == [keeper]


def test_a_call_whose_client_has_gone_is_abandoned_in_its_greenlet(keeper: Keeper, settled: list[Call]) -> None:
    call = FakeCall(is_client_gone=True)
    give(keeper, call)
    assert (call.ran_in, call.abandoned_in, settled) == ([], [keeper], [call])


def test_what_strikes_an_idle_greenlet_is_of_no_consequence(keeper: Keeper, settled: list[Call]) -> None:
    give(keeper, FakeCall())
    gevent.get_hub().loop.run_callback(keeper.throw, gevent.Timeout())
    gevent.sleep(0)
    give(keeper, FakeCall())
    assert len(settled) == 2


def test_a_greenlet_killed_while_idle_takes_no_more_calls(keeper: Keeper) -> None:
    give(keeper, FakeCall())
    keeper.kill()
    assert keeper.is_over


def test_a_settled_call_is_not_held_while_the_client_is_idle(settled: list[Call]) -> None:
    import gc
    import weakref

    keeper = Keeper(lambda call: None)
    call = FakeCall()
    seen = weakref.ref(call)
    give(keeper, call)
    call.ran_in.clear()
    del call
    gc.collect()
    assert seen() is None
    keeper.end()
    keeper.join(timeout=5)
