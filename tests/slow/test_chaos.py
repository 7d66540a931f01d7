"""Reloads, handovers and murders under load, for as long as it takes to believe in them. Prints one line for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.resilience.scenes import handovers, murders, reloads
from tests.integration.resilience.test_chaos import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TIMES = 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_reloads_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = reloads(KINDS[kind], tmp_path, TIMES)
    print(fates.row(f"{kind}: {TIMES} reloads"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_handovers_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = handovers(KINDS[kind], tmp_path, TIMES)
    print(fates.row(f"{kind}: {TIMES} handovers"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_and_twenty_killed_workers_lose_only_what_they_had_in_hand(kind: str, tmp_path: Path) -> None:
    fates, allowed = murders(KINDS[kind], tmp_path, 120)
    print(fates.row(f"{kind}: 120 kills, at most {allowed}"))
    assert fates.failed <= allowed, fates.failures
