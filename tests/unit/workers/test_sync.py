"""What the sync worker's relief leaves alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hybrid_workers.reactor import Reactor
from hybrid_workers.sync import SyncWorker


@pytest.mark.parametrize("is_answered", [False, True])
def test_connection_of_the_call_under_way_is_never_given_away(is_answered: bool) -> None:
    """Its call is over for the client before it is for the worker, which waits for the lock then: what the client
    sends next, or that it closes, must wait for the worker to come back to it."""
    kept: list[Any] = []

    def give_away(ready: object, connections: set[Any], now: float) -> None:
        kept.extend(connections)

    worker: Any = SyncWorker.__new__(SyncWorker)
    held, current = SimpleConnection(), SimpleConnection()
    call = SimpleNamespace(connection=current)
    current.call = None if is_answered else call
    worker._held = [SimpleNamespace(connection=held)]
    worker._call = call
    reactor: Any = Reactor.__new__(Reactor)
    reactor.crossroads = SimpleNamespace(give_away=give_away)
    reactor.pipelined = []
    worker._reactor = reactor
    worker._give_away(1.0)
    assert set(kept) == {held, current}


class SimpleConnection:
    call: object = None
