"""Reloads, upgrades, handovers and murders under load, in short; `tests/slow/test_chaos.py` is the long version."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.resilience.scenes import handovers, murders, reloads, upgrades, upgrades_by_hand

KINDS = {
    "sync": ("-k", "sync"),
    "gthread": ("-k", "gthread", "--threads", "4"),
    "gevent": ("-k", "gevent"),
    "asgi": ("-k", "asgi"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reloads_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = reloads(KINDS[kind], tmp_path, 3)
    print(fates.row(f"{kind}: 3 reloads"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_loses_nothing(kind: str, tmp_path: Path) -> None:
    fates = upgrades(KINDS[kind], tmp_path, 1)
    print(fates.row(f"{kind}: 1 upgrade"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_by_hand_and_one_that_is_taken_back_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = upgrades_by_hand(KINDS[kind], tmp_path, 1)
    print(fates.row(f"{kind}: USR2, WINCH, HUP, TERM; USR2, WINCH, QUIT"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_handovers_to_another_server_on_the_same_listener_lose_nothing(kind: str, tmp_path: Path) -> None:
    fates = handovers(KINDS[kind], tmp_path, 3)
    print(fates.row(f"{kind}: 3 handovers"))
    assert not fates.failures


@pytest.mark.parametrize("kind", KINDS)
def test_killed_workers_lose_only_what_they_had_in_hand(kind: str, tmp_path: Path) -> None:
    autopsy = murders(KINDS[kind], tmp_path, 2.0)
    print(autopsy.row(f"{kind}: kills"))
    assert not autopsy.unexplained
