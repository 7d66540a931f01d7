"""When a connection is left to a sibling."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hybrid.contract import Scoreboard, ScoreRow, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid_workers.accepting import Acceptor
from hybrid_workers.asgi_accept import Acceptor as AsgiAcceptor
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


def beside_an_idle_sibling(now: float) -> tuple[ScoreRow, Balance]:
    board = Scoreboard(4)
    sibling = board.row(1)
    sibling.words[Word.STAGE] = 2
    sibling.words[Word.CAPACITY] = 100
    sibling.floats[Word.BEAT] = now + BEAT_AHEAD_S
    row = board.row(0)
    return row, Balance(cast(WorkerContext, SimpleNamespace(row=row, pool_size=2)))


class Listening:
    """An acceptor of the WSGI workers that holds connections, beside a sibling that holds none."""

    def __init__(self) -> None:
        _, balance = beside_an_idle_sibling(NOW)
        self.registered: list[int] = []
        self.acceptor = acceptor = Acceptor.__new__(Acceptor)
        acceptor._balance = balance
        acceptor._host = cast(Any, SimpleNamespace(connections=dict.fromkeys(range(4))))
        acceptor._doors = cast(Any, {7: None})
        acceptor._poller = cast(Any, SimpleNamespace(register=lambda fd, events: self.registered.append(fd)))
        acceptor._most = 100
        acceptor._has_delayed = acceptor.is_closed = acceptor.is_accepting = False
        acceptor.has_siblings = acceptor.is_ahead = True
        acceptor._ahead_until = NOW + 1
        acceptor._look_again(4, NOW)

    def listens(self, connections: int, now: float = NOW) -> bool:
        self.acceptor._host.connections = cast(Any, dict.fromkeys(range(connections)))
        self.acceptor.listen(now)
        return bool(self.registered)


def test_a_worker_that_is_ahead_leaves_what_comes_to_its_sibling() -> None:
    assert not Listening().listens(4)
    assert not Listening().listens(5)


def test_it_looks_again_when_a_connection_has_ended_and_not_only_after_a_while() -> None:
    """Connections of one request end at once; until then, two workers that wait for each other take nothing."""
    worker = Listening()
    assert not worker.listens(3)  # ahead still
    assert worker.listens(2)


class Yielding:
    """The acceptor of an asgi worker with one connection too many, beside a sibling that holds none."""

    def __init__(self) -> None:
        row, balance = beside_an_idle_sibling(time.monotonic())
        self.watched: list[int] = []
        self.timers: list[str] = []
        loop = SimpleNamespace(
            call_later=lambda seconds, call: SimpleNamespace(cancel=lambda: self.timers.append("cancelled")),
            add_reader=lambda fd, *what: self.watched.append(fd),
            remove_reader=lambda fd: self.watched.remove(fd),
        )
        self.service: Any = SimpleNamespace(
            connections=set(range(3)),
            balance=balance,
            loop=loop,
            row=row,
            context=None,
            admissions=SimpleNamespace(is_needed=True),
        )
        self.acceptor = AsgiAcceptor(self.service, (), 100)
        self.acceptor._doors = cast(Any, [SimpleNamespace(fd=7)])
        self.acceptor.resume()
        assert self.watched == [7]
        assert self.acceptor._yields(balance)

    def end_connection(self) -> None:
        self.service.connections.pop()
        self.acceptor._closed()


def test_an_asgi_worker_that_is_ahead_accepts_again_as_soon_as_it_is_not() -> None:
    """A sibling that takes all meanwhile may come to yield, too: then nobody accepted, for 50 ms."""
    worker = Yielding()
    assert worker.watched == []
    worker.end_connection()
    assert worker.watched == [7]
    assert worker.timers == ["cancelled"]


def test_an_asgi_worker_that_is_still_ahead_goes_on_yielding() -> None:
    worker = Yielding()
    worker.service.connections.update(range(3, 9))
    worker.end_connection()
    assert worker.watched == []
