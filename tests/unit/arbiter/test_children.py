"""What the arbiter believes of a process that says it is a new worker, and forks that fail."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid.arbiter import children as module
from hybrid.arbiter.actions import Spawn
from hybrid.arbiter.children import Children, Outfit, Unborn, parent_of
from hybrid.arbiter.events import SpawnFailed
from hybrid.arbiter.releases import sites_of
from hybrid.contract import Channel
from hybrid.contract.messages import Started
from hybrid.settings import Settings


def nothing() -> None:
    """For what a test never reaches."""


@pytest.fixture
def children() -> Children:
    return Children(lambda context: 0, logging.getLogger("test"), nothing, lambda slot: None)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "stranger", [1, os.getppid(), os.getpid(), -1, 1 << 40], ids=["init", "parent", "self", "-1", "2**40"]
)
def test_a_new_worker_that_names_a_process_of_somebody_else_is_not_believed(children: Children, stranger: int) -> None:
    ours, theirs = Channel.pair()
    children.unborn[0] = Unborn(Spawn("main", 0, 0), ours, -1)
    theirs.send(Started(stranger))
    assert children.born(0) == []
    assert not children.is_ours(stranger)
    children.abandon(0)
    theirs.close()


def test_parents_are_known_of_processes_that_are_there() -> None:
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(1 << 40) == 0


def fail(error: OSError) -> Callable[..., int]:
    def failing(*arguments: object) -> int:
        raise error

    return failing


@pytest.mark.parametrize("is_preloaded", [False, True])
def test_a_fork_that_fails_leaves_no_descriptor(
    children: Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_preloaded: bool
) -> None:
    sites, _ = sites_of(Settings(app="shop:app", preload_app=is_preloaded), str(tmp_path))
    outfit = Outfit(sites["main"], (), 1)
    monkeypatch.setattr(module, "fork", fail(OSError(11, "Resource temporarily unavailable")))
    before = descriptors()
    assert children.spawn(Spawn("main", 0, 0), outfit) == SpawnFailed(0, "Resource temporarily unavailable")
    assert descriptors() == before
    assert not children.templates


def test_a_channel_that_cannot_be_made_is_a_spawn_that_failed(
    children: Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sites, _ = sites_of(Settings(app="shop:app"), str(tmp_path))
    monkeypatch.setattr(module.Channel, "pair", fail(OSError(24, "Too many open files")))
    outfit = Outfit(sites["main"], (), 1)
    assert children.spawn(Spawn("main", 0, 0), outfit) == SpawnFailed(0, "Too many open files")
