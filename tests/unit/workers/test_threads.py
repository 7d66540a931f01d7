"""Which thread runs which call."""

from __future__ import annotations

import threading
from queue import Queue
from typing import Any, cast

import pytest

from hybrid_workers.call import Call
from hybrid_workers.threads import ThreadPool

WAIT_S = 20.0


class FakeCall:
    """Runs until the test lets it, and notes its thread."""

    def __init__(self) -> None:
        self.keeper: object = None
        self.is_client_gone = False
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.threads: list[int] = []
        self.abandoned: list[int] = []

    def run(self) -> None:
        self.threads.append(threading.get_ident())
        self.began.set()
        assert self.may_end.wait(WAIT_S)

    def abandon(self) -> None:
        self.abandoned.append(threading.get_ident())


class Pool(ThreadPool):
    def __init__(self, size: int) -> None:
        self.back: Queue[Any] = Queue()
        super().__init__(size, self.back.put)
        self.start()

    def give(self, call: FakeCall) -> FakeCall:
        self.submit(cast(Call, call))
        return call

    def give_back(self, call: FakeCall) -> FakeCall:
        self.resume(cast(Call, call))
        return call

    def take_back(self) -> FakeCall:
        return cast(FakeCall, self.back.get(timeout=WAIT_S))


def quick() -> FakeCall:
    call = FakeCall()
    call.may_end.set()
    return call


def test_calls_that_come_together_run_in_so_many_threads_and_the_rest_in_turn() -> None:
    pool = Pool(2)
    calls = [FakeCall() for _ in range(3)]
    pool.submit_all(cast(Any, calls))
    for call in calls[:2]:
        assert call.began.wait(WAIT_S)
    assert calls[0].threads != calls[1].threads
    assert not calls[2].threads
    for call in calls:
        call.may_end.set()
    assert {id(pool.take_back()) for _ in calls} == {id(call) for call in calls}


def test_calls_run_at_once_while_threads_are_free_and_wait_in_order_otherwise() -> None:
    pool = Pool(1)
    first = pool.give(FakeCall())
    assert first.began.wait(WAIT_S)
    second, third = pool.give(quick()), pool.give(quick())
    first.may_end.set()
    assert [pool.take_back() for _ in range(3)] == [first, second, third]


@pytest.mark.parametrize("size", [1, 4])
def test_a_parked_call_goes_on_in_its_thread(size: int) -> None:
    pool = Pool(size)
    calls = [pool.give(FakeCall()) for _ in range(size)]
    for call in calls:
        assert call.began.wait(WAIT_S)
        call.may_end.set()
    for _ in calls:
        pool.take_back()
    for call in reversed(calls):
        pool.give_back(call)
        assert pool.take_back() is call
        assert call.threads[0] == call.threads[1]


def test_a_parked_call_waits_for_its_thread_though_others_are_free_and_comes_before_new_ones() -> None:
    pool = Pool(2)
    parked = pool.give(quick())
    pool.take_back()
    # Occupy both threads, so that the parked call's is one of them.
    busy = [pool.give(FakeCall()), pool.give(FakeCall())]
    for call in busy:
        assert call.began.wait(WAIT_S)
    fresh = pool.give(quick())
    pool.give_back(parked)
    own = next(call for call in busy if call.threads == parked.threads)
    own.may_end.set()
    assert [pool.take_back() for _ in range(3)] == [own, parked, fresh]
    assert parked.threads[0] == parked.threads[1]
    for call in busy:
        call.may_end.set()


def test_an_abandoned_call_is_cleaned_up_in_its_thread() -> None:
    pool = Pool(3)
    call = pool.give(quick())
    pool.take_back()
    call.is_client_gone = True
    pool.give_back(call)
    assert pool.take_back() is call
    assert call.abandoned == call.threads
