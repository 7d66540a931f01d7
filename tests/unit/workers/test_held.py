"""What clients may cost others who want the same threads. The clock is the test's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf

import pytest

from hybrid_workers import held
from hybrid_workers.held import BACK, LOOK_S, MOST_S, HeldUp

LOG = logging.getLogger("hybrid.test.held")


class Scene:
    """A worker with one client that sends nothing before `comes_at`."""

    def __init__(self, *, asks_first: bool = False) -> None:
        self.now = 100.0
        self.comes_at = inf
        self.wanted_from = inf
        self.held_up = HeldUp(LOG, asks_first=asks_first)
        self.held_up.is_wanted = lambda: self.now >= self.wanted_from

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        has_come = self.comes_at <= self.now + seconds
        self.now = max(self.now, self.comes_at) if has_come else self.now + seconds
        return has_come


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene()
    monkeypatch.setattr(held, "monotonic", lambda: scene.now)
    return scene


def asked(scene: Scene) -> Callable[[float], bool]:
    hold = scene.held_up.ask()
    assert hold is not None
    return lambda patience: hold.wait(scene.wait, patience)


def test_what_comes_in_time_is_waited_for(scene: Scene) -> None:
    scene.comes_at = 129.0
    assert asked(scene)(30.0)
    assert scene.now == 129.0


def test_while_nobody_else_comes_a_client_has_the_time_that_all_have(scene: Scene) -> None:
    assert not asked(scene)(30.0)
    assert scene.now == pytest.approx(130.0)
    assert not scene.held_up.asks_first


def test_from_when_others_come_it_has_a_moment(scene: Scene) -> None:
    scene.wanted_from = 110.0
    assert not asked(scene)(30.0)
    assert scene.now == pytest.approx(110.0 + MOST_S, abs=LOOK_S)


def test_all_clients_together_have_that_moment(scene: Scene) -> None:
    """Each comes after a while that is too short to be cut off for."""
    scene.wanted_from = 0.0
    wait = asked(scene)
    for _ in range(1000):
        scene.comes_at = scene.now + 0.04
        if not wait(30.0):
            break
    assert scene.now - 100.0 < 2 * MOST_S


def test_a_tenth_of_the_time_comes_back_but_no_more_than_there_was(scene: Scene) -> None:
    scene.wanted_from = 0.0
    stream = scene.held_up.stream()
    assert not stream.wait(scene.wait, 30.0)
    began = scene.now
    assert not stream.wait(scene.wait, 30.0)
    assert scene.now == began
    scene.now += 1.0
    assert not stream.wait(scene.wait, 30.0)
    assert scene.now - began - 1.0 == pytest.approx(BACK, rel=0.2)
    scene.now += 1e6
    assert scene.held_up.left(scene.now) == MOST_S


def test_long_before_clients_that_ask_are_not_left_to_the_application(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.wanted_from = 0.0
    wait = asked(scene)
    for _ in range(4):
        scene.comes_at = scene.now + 0.04
        assert wait(30.0)
    assert scene.held_up.ask() is None
    assert caplog.text.count("waited for 100 Continue") == 1


def test_a_body_without_room_does_not_change_how_clients_are_asked(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.wanted_from = 0.0
    for _ in range(3):
        assert not scene.held_up.stream().wait(scene.wait, 30.0)
    assert not scene.held_up.asks_first
    assert caplog.text.count("for which there was no room (--spool-limit)") == 1


def test_no_more_threads_than_there_are_places_wait_for_what_they_ask_for(scene: Scene) -> None:
    scene.held_up.places = 2
    first, second = scene.held_up.ask(), scene.held_up.ask()
    assert scene.held_up.ask() is None
    assert first is not None
    assert second is not None
    first.end()
    first.end()
    assert scene.held_up.ask() is not None
    assert scene.held_up.ask() is None


def test_who_is_told_to_asks_first_always() -> None:
    assert HeldUp(LOG, asks_first=True).ask() is None
