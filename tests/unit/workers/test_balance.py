"""When a connection is left to a sibling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hybrid.contract import Scoreboard, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid_workers.balance import PROMPT_S, SILENT_S, Balance, is_ahead
from hybrid_workers.deadline import BEAT_AHEAD_S

NOW = 100.0


@pytest.mark.parametrize(
    ("stage", "active", "beat", "expected"),
    [(2, 0, NOW, True), (2, 1, NOW, False), (3, 0, NOW, False), (1, 0, NOW, False), (2, 0, NOW - SILENT_S, False)],
    ids=["idle", "busy", "draining", "booting", "silent"],
)
def test_a_sibling_has_room(stage: int, active: int, beat: float, expected: bool) -> None:
    board = Scoreboard(4)
    sibling = board.row(1)
    sibling.words[Word.STAGE] = stage
    sibling.words[Word.ACTIVE] = active
    sibling.words[Word.CAPACITY] = 1
    sibling.floats[Word.BEAT] = beat
    balance = Balance(cast(WorkerContext, SimpleNamespace(row=board.row(0), pool_size=2)))
    assert balance.has_room(NOW) is expected


def test_a_worker_alone_has_no_siblings() -> None:
    assert not Balance(cast(WorkerContext, SimpleNamespace(row=Scoreboard(4).row(0), pool_size=1))).has_room(NOW)


@pytest.mark.parametrize(
    ("mine", "least", "expected"), [(2, 0, False), (3, 0, True), (18, 14, True), (120, 105, False)]
)
def test_who_holds_more_connections_than_a_sibling_is_ahead(mine: int, least: int, expected: bool) -> None:
    assert is_ahead(mine, least) is expected


@pytest.mark.parametrize("least", range(0, 1000, 7))
def test_nobody_gets_more_than_his_share_and_a_third_before_he_is_ahead(least: int) -> None:
    most = next(mine for mine in range(least, 2000) if is_ahead(mine, least))
    share = (3 * least + most) / 4
    assert most <= max(1.3 * share, share + 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({Word.STAGE: 3}, False),
        ({Word.ACTIVE: 1}, False),
        ({Word.CAPACITY: 0}, False),
        ({Word.CONNECTIONS: 9}, False),
    ],
    ids=["ready and idle", "draining", "busy", "accepts nothing", "as many"],
)
def test_connections_are_left_to_a_sibling_that_will_take_them(change: dict[Word, int], expected: bool) -> None:
    board = Scoreboard(4)
    sibling = board.row(1)
    for word, value in {Word.STAGE: 2, Word.ACTIVE: 0, Word.CAPACITY: 1, Word.CONNECTIONS: 2, **change}.items():
        sibling.words[word] = value
    sibling.floats[Word.BEAT] = NOW + BEAT_AHEAD_S
    balance = Balance(cast(WorkerContext, SimpleNamespace(row=board.row(0), pool_size=2)))
    assert balance.is_ahead(10, NOW) is expected
    assert not balance.is_ahead(10, NOW + PROMPT_S), "it is at something that takes long"
