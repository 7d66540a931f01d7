"""When a connection is left to a sibling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hybrid.contract import Scoreboard, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid_workers.balance import SILENT_S, Balance

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
