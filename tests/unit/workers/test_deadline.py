"""The request deadline's rules, without threads that sleep, signals or sockets."""

from __future__ import annotations

import logging
import threading
from math import inf
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest

from hybrid.contract import Retire, WorkerContext
from hybrid.errors import DeadlineExceeded
from hybrid.http.request import Request
from hybrid_workers.call import Call
from hybrid_workers.deadline import END_S, Enforcer, Step, Target, due

LIMIT = 10.0


def test_the_first_step_is_due_when_the_time_is_over() -> None:
    assert due(Step.NONE, 0.0, 100.0, LIMIT) == 110.0


def test_the_second_step_is_due_a_while_after_the_first() -> None:
    assert due(Step.ENDING, 110.2, 100.0, LIMIT) == 110.2 + END_S


@pytest.mark.parametrize("step", [Step.SEALED, Step.GIVEN_UP])
def test_then_nothing_is_due(step: Step) -> None:
    assert due(step, 110.2, 100.0, LIMIT) == inf


class Ender:
    def __init__(self) -> None:
        self.did: list[str] = []

    def frames(self, call: Call) -> list[FrameType]:
        return []

    def interrupt(self, call: Call) -> None:
        self.did.append("interrupt")

    def give_up(self, call: Call) -> None:
        self.did.append("give up")


class Setting:
    """An enforcer and one call."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        log = logging.Logger("test")
        log.addHandler(logging.NullHandler())
        context: Any = SimpleNamespace(
            settings=SimpleNamespace(timeout=LIMIT), log=log, channel=SimpleNamespace(send=self.sent.append)
        )
        self.ender = Ender()
        self.enforcer = Enforcer(cast(WorkerContext, context), self.ender)
        request = Request()
        request.method, request.target = "GET", b"/"
        self.sealed: list[str] = []
        self.waited = 0.0
        connection = SimpleNamespace(
            peer=SimpleNamespace(label="192.0.2.1:5"),
            seal=lambda: self.sealed.append("sealed"),
            waited=lambda now: self.waited,
        )
        response = SimpleNamespace(head_sent=False)
        self.call: Any = SimpleNamespace(
            exchange=SimpleNamespace(response=response, source=None),
            step=Step.NONE,
            step_at=0.0,
            began=100.0,
            waited_before=0.0,
            connection=connection,
            request=request,
        )

    def look(self, now: float) -> float:
        return self.enforcer.look(self.call, now)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_request_is_ended_then_sealed_then_answered_without_the_application(setting: Setting) -> None:
    assert setting.look(105.0) == 110.0
    assert setting.ender.did == []
    assert setting.look(110.0) == 110.0 + END_S
    assert setting.ender.did == ["interrupt"]
    assert setting.look(110.5) == 110.0 + END_S
    assert setting.look(111.0) == 111.0
    assert (setting.sealed, setting.ender.did) == (["sealed"], ["interrupt"])
    assert setting.look(111.2) == inf
    assert setting.ender.did == ["interrupt", "give up"]
    assert setting.sent == [Retire("a request that cannot be ended")]
    assert setting.look(200.0) == inf
    assert setting.ender.did == ["interrupt", "give up"], "once"


def test_from_the_head_of_the_response_on_nothing_is_due(setting: Setting) -> None:
    setting.call.exchange.response.head_sent = True
    assert setting.look(1000.0) == inf
    assert setting.ender.did == []


def test_waiting_for_a_thread_does_not_count(setting: Setting) -> None:
    setting.call.began = 0.0
    assert setting.look(1000.0) == 1000.0 + LIMIT
    assert setting.ender.did == []


def test_waiting_for_the_client_does_not_count_but_what_came_before_the_call_is_over(setting: Setting) -> None:
    setting.call.exchange.source = object()
    setting.call.waited_before = 3.0
    setting.waited = 7.0
    assert setting.look(110.0) == 114.0
    assert setting.look(114.0) == 114.0 + END_S


def test_an_interrupted_thread_gets_the_exception_in_its_work() -> None:
    target = Target(threading.get_ident())
    target.work = work = object()
    other = threading.Thread(target=target.interrupt, args=(work,))
    with pytest.raises(DeadlineExceeded):  # noqa: PT012 - it comes with some instruction after the start
        other.start()
        while True:
            pass
    target.leave()
    other.join()
    assert target.work is None


def test_a_thread_at_other_work_is_left_alone() -> None:
    target = Target(threading.get_ident())
    target.work = object()
    other = threading.Thread(target=target.interrupt, args=(object(),))
    other.start()
    other.join()
    for _ in range(1000):
        pass
    target.leave()
    for _ in range(1000):
        pass


def test_a_thread_that_leaves_takes_a_late_exception_with_it() -> None:
    """Again and again from another thread, at any moment: nothing is ever raised after leave()."""
    target = Target(threading.get_ident())
    works: list[object] = []
    is_over = threading.Event()

    def interrupt() -> None:
        while not is_over.is_set():
            if works:
                target.interrupt(works.pop())

    other = threading.Thread(target=interrupt)
    other.start()
    ended = 0
    try:
        for _ in range(100):
            try:
                work = target.work = object()
                works.append(work)
                for _ in range(50):
                    pass
                target.leave()
            except DeadlineExceeded:
                ended += 1
                target.leave()
            sum(range(50))  # would be hit by one that came too late, and fail the test
    finally:
        is_over.set()
        other.join()
