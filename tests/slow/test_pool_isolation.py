"""A pool that is killed, cannot boot, outgrows its memory or fails to reload, once a second, beside one under load."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.integration.migration.conftest import Pools
from tests.integration.migration.load import Load

TIMES = 20
PATHS = {"legacy": "/", "modern": "/api"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[Pools]:
    made = Pools(tmp_path)
    yield made
    made.close()


def kill(pools: Pools, pool: str) -> None:
    for pid in pools.workers(pool):
        os.kill(pid, signal.SIGKILL)


def break_and_kill(pools: Pools, pool: str) -> None:
    (pools.folder / f"broken-{pool}").touch()
    kill(pools, pool)


def grow(pools: Pools, pool: str) -> None:
    with suppress(OSError, HTTPException):  # the request may be in a worker that has grown too much already
        pools.server.get(f"{PATHS[pool]}/grow".replace("//", "/"))


def fail_to_reload(pools: Pools, pool: str) -> None:
    (pools.folder / f"broken-{pool}").touch()
    assert pools.hybrid("reload", "--wait").returncode == 1


@pytest.mark.parametrize("harm", [kill, break_and_kill, grow, fail_to_reload], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("victim", ["legacy", "modern"])
def test_other_pool_fails_no_request(pools: Pools, victim: str, harm: Callable[[Pools, str], None]) -> None:
    other = "modern" if victim == "legacy" else "legacy"
    memory = "max_worker_memory_hard = '120M'"
    pools.configure("/api/*=modern", legacy=2, modern=2, legacy_more=memory, modern_more=memory)
    pools.start(ready=4)
    served = pools.workers(other)
    second = threading.Event()
    with Load(pools.server.port, PATHS[other]) as load:
        for _ in range(TIMES):
            harm(pools, victim)
            second.wait(1.0)
            load.wait_for(other, 10)
    assert load.errors == []
    assert load.seen.keys() == {other}
    assert pools.workers(other) == served
    assert pools.status(other)["state"] in ("serving", "reloading")
