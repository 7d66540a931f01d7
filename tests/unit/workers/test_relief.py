"""Whether a sibling can take what a busy worker has no time for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hybrid.contract import Scoreboard, WorkerContext
from hybrid.contract.crossing import Crossing
from hybrid.contract.queue import Queue
from hybrid.contract.scoreboard import ScoreRow, Word
from hybrid_workers.relief import Siblings

NOW = 100.0


class Pool:
    """The worker in slot 0 and whom it sees."""

    def __init__(self) -> None:
        self.board = Scoreboard(4)
        self.queue = Queue(4)
        self.queue.enter(0, 1)
        context = cast(WorkerContext, SimpleNamespace(slot=0, row=self.board.row(0)))
        self.siblings = Siblings(context, cast(Crossing, SimpleNamespace(own=self.queue)))

    def worker(self, slot: int, *, stage: int = 2, active: int = 0, capacity: int = 1, beat: float = NOW) -> ScoreRow:
        row = self.board.row(slot)
        row.words[Word.STAGE] = stage
        row.words[Word.ACTIVE] = active
        row.words[Word.CAPACITY] = capacity
        row.floats[Word.BEAT] = beat
        self.queue.enter(slot, 1000 + slot)
        return row


@pytest.fixture
def pool():  # type: ignore[no-untyped-def]
    pool = Pool()
    yield pool
    pool.queue.close()


@pytest.mark.parametrize(
    ("facts", "has_room", "is_alive"),
    [
        ({}, True, True),
        ({"active": 1}, False, True),
        ({"active": 3, "capacity": 4}, True, True),
        ({"stage": 1}, False, False),
        ({"stage": 3}, False, False),
        ({"beat": NOW - 1.0}, False, False),
    ],
    ids=["idle", "busy", "one thread free", "booting", "draining", "silent"],
)
def test_a_sibling_has_room_if_it_is_ready_alive_and_not_busy(
    pool: Pool, facts: dict[str, int], has_room: bool, is_alive: bool
) -> None:
    pool.worker(1, **facts)  # type: ignore[arg-type]
    assert pool.siblings.have_room(NOW) is has_room
    assert pool.siblings.are_alive(NOW) is is_alive


def test_one_with_room_is_enough(pool: Pool) -> None:
    pool.worker(1, active=1)
    pool.worker(2)
    assert pool.siblings.have_room(NOW)


def test_a_worker_is_not_its_own_sibling(pool: Pool) -> None:
    pool.worker(0)
    assert not pool.siblings.have_room(NOW)
    assert not pool.siblings.are_alive(NOW)


def test_who_does_not_receive_from_the_queue_of_the_pool_does_not_count(pool: Pool) -> None:
    pool.worker(1)
    pool.queue.leave(1)
    assert not pool.siblings.have_room(NOW)


def test_who_becomes_busy_is_noticed_at_once_and_who_is_new_within_a_tenth_of_a_second(pool: Pool) -> None:
    row = pool.worker(1)
    assert pool.siblings.have_room(NOW)
    row.words[Word.ACTIVE] = 1
    assert not pool.siblings.have_room(NOW)
    pool.worker(2)
    assert pool.siblings.have_room(NOW + 0.11)


def test_who_leaves_between_two_looks_has_no_room(pool: Pool) -> None:
    row = pool.worker(1)
    assert pool.siblings.have_room(NOW)
    pool.queue.leave(1)
    row.words[Word.STAGE] = 3  # it drains before it leaves
    assert not pool.siblings.have_room(NOW)
