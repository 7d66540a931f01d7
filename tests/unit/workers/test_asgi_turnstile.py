"""Who is read on when, in a crowd. The loop is the test's."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import cast

from hybrid_workers.asgi_turnstile import PER_TURN, Turnstile


class Loop:
    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


class Waiting:
    def __init__(self, name: int, passed: list[int]) -> None:
        self.name = name
        self._passed = passed

    def pass_on(self) -> None:
        self._passed.append(self.name)


def scene(count: int) -> tuple[Loop, Turnstile, list[Waiting], list[int]]:
    loop = Loop()
    passed: list[int] = []
    return loop, Turnstile(cast(AbstractEventLoop, loop)), [Waiting(name, passed) for name in range(count)], passed


def test_few_pass_in_each_turn_and_all_in_their_order() -> None:
    loop, turnstile, waiting, passed = scene(2 * PER_TURN + 1)
    for one in waiting:
        turnstile.queue(one)
    for expected in (PER_TURN, 2 * PER_TURN, 2 * PER_TURN + 1):
        loop.turn()
        assert passed == list(range(expected))
    assert not loop.soon


def test_who_asks_twice_passes_once() -> None:
    loop, turnstile, (one,), passed = scene(1)
    turnstile.queue(one)
    turnstile.queue(one)
    loop.turn()
    loop.turn()
    assert passed == [0]


def test_who_has_passed_may_ask_again() -> None:
    loop, turnstile, (one,), passed = scene(1)
    for _ in range(2):
        turnstile.queue(one)
        loop.turn()
    assert passed == [0, 0]
