"""Reloads, upgrades, handovers and murders under load, as often as it takes to believe in them: a line for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.resilience.scenes import handovers, murders, reloads, upgrades, upgrades_by_hand
from tests.integration.resilience.test_chaos import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_reloads_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = reloads(KINDS[kind], tmp_path, 100)
    print(fates.row(f"{kind}: 100 reloads"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_upgrades_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = upgrades(KINDS[kind], tmp_path, 20)
    print(fates.row(f"{kind}: 20 upgrades"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_ten_upgrades_by_hand_each_taken_back_once_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = upgrades_by_hand(KINDS[kind], tmp_path, 10)
    print(fates.row(f"{kind}: 10 upgrades by hand"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_handovers_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = handovers(KINDS[kind], tmp_path, 100)
    print(fates.row(f"{kind}: 100 handovers"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_a_minute_of_killed_workers_loses_only_what_they_had_in_hand(kind: str, tmp_path: Path) -> None:
    autopsy = murders(KINDS[kind], tmp_path, 60.0)
    print(autopsy.row(f"{kind}: 60 s of kills"))
    assert autopsy.kills >= 60
    assert not autopsy.unexplained
