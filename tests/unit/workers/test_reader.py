"""How fast a client takes an answer: what its side has counts, not what the kernel holds."""

from __future__ import annotations

from math import inf

import pytest

from hybrid.http.deadlines import Deadlines
from hybrid_workers import reader as module
from hybrid_workers.reader import Reader

RULES = Deadlines(write=30, write_min_rate=240)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """[bytes in the kernel's buffer]"""
    holds = [0]
    monkeypatch.setattr(module, "unread", lambda fd: holds[0])
    return holds


def test_who_takes_nothing_is_slow_after_the_timeout(kernel: list[int]) -> None:
    kernel[0] = 100_000
    reader = Reader(RULES, -1)
    assert reader.wait(1000.0, 5000) == 1030.0
    assert reader.is_slow(1030.0, 5000)


def test_who_takes_a_byte_now_and_then_is_slow(kernel: list[int]) -> None:
    kernel[0] = 100_000
    reader = Reader(RULES, -1)
    reader.wait(1000.0, 5000)
    kernel[0] -= 30
    assert reader.is_slow(1030.0, 5000)


def test_who_takes_steadily_goes_on_although_the_kernel_takes_nothing_more(kernel: list[int]) -> None:
    kernel[0] = 4_000_000
    reader = Reader(RULES, -1)
    reader.wait(1000.0, 5000)
    for period in range(1, 20):
        kernel[0] -= 10_000
        assert not reader.is_slow(1000.0 + 30 * period, 5000)
        assert reader.deadline == 1030.0 + 30 * period


def test_what_the_kernel_takes_and_the_client_does_not_is_nothing(kernel: list[int]) -> None:
    reader = Reader(RULES, -1)
    reader.wait(1000.0, 0)
    kernel[0] = 2_000_000
    assert reader.is_slow(1030.0, 2_000_000)


def test_the_time_that_the_application_takes_is_not_the_clients(kernel: list[int]) -> None:
    kernel[0] = 100_000
    reader = Reader(RULES, -1)
    assert reader.wait(1000.0, 0) == 1030.0
    reader.go_on(1020.0)
    assert reader.wait(5000.0, 0) == 5010.0  # and it does not begin anew either
    assert reader.is_slow(5010.0, 0)


def test_waiting_on_changes_nothing(kernel: list[int]) -> None:
    reader = Reader(RULES, -1)
    assert reader.wait(1000.0, 0) == reader.wait(1010.0, 0) == 1030.0
    assert reader.is_slow(1030.0, 0)


def test_no_timeout_is_no_deadline(kernel: list[int]) -> None:
    assert Reader(Deadlines(write=inf), -1).wait(1000.0, 0) == inf


def test_our_own_standstill_is_not_the_clients(kernel: list[int]) -> None:
    reader = Reader(RULES, -1)
    reader.wait(1000.0, 0)
    reader.postpone(100.0)
    assert reader.deadline == 1130.0
    assert reader.is_slow(1130.0, 0)


def test_what_is_no_socket_holds_nothing() -> None:
    assert module.unread(-1) == 0
