"""What a worker takes from its queue and when it leaves it to others. The queue is real, the reactor is played."""

from __future__ import annotations

import logging
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hybrid.contract import Scoreboard
from hybrid.contract.crossing import Crossing
from hybrid.contract.pool_page import PoolPage
from hybrid.contract.queue import Handed, Kind, Queue
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid_workers.arrivals import MOST_AT_ONCE
from hybrid_workers.connection import Connection
from hybrid_workers.crossroads import Crossroads
from hybrid_workers.wsgi_service import WsgiService

NOW = 100.0


class Worker:
    """The reactor's part, and its poller."""

    def __init__(self, *, pool_size: int = 1) -> None:
        self.connections: dict[int, Connection] = {}
        self.is_stopping = self.is_closed = False
        self.most = 100
        self.room = 100
        self.served: list[bytes] = []
        self.refused: list[str] = []
        self.watched: set[int] = set()
        self.page = PoolPage()
        self.page.note(0, ready=pool_size, serves_websocket=False)
        self.page.note(1, ready=1, serves_websocket=False)
        self.queues = {"here": Queue(64), "there": Queue(64)}
        crossing = Crossing("here", self.queues, self.page, True, {"there": "here"}, 5.0)
        board = Scoreboard(4)
        context = SimpleNamespace(
            crossing=crossing,
            listeners=(),
            pool_size=pool_size,
            row=board.row(0),
            slot=0,
            log=logging.getLogger("test.crossroads"),
        )
        service = SimpleNamespace(context=context, admissions=SimpleNamespace(meet=lambda client, server: "peer"))
        self.crossroads = Crossroads(self, cast(WsgiService, service), cast(Any, self), relieves=False)

    def arrive(self, count: int, queue: str = "here", *, deadline: float = NOW + 1) -> None:
        for number in range(count):
            client, ours = socket.socketpair()
            handed = Handed(Kind.REQUEST, deadline, None, ("", None), b"%d" % number)
            assert self.queues[queue].send(ours.fileno(), handed)
            client.close()
            ours.close()

    @property
    def waiting(self) -> int:
        return self.queues["here"].waiting

    def close(self) -> None:
        for queue in self.queues.values():
            while (received := queue.receive()) is not None:
                received[0].close()
            queue.close()

    # -- hybrid_workers.poller.Poller and hybrid_workers.crossroads.Host ------------------------------

    def register(self, fd: int, events: int) -> None:
        assert fd not in self.watched
        self.watched.add(fd)

    def unregister(self, fd: int) -> None:
        self.watched.remove(fd)

    @property
    def is_full(self) -> bool:
        return len(self.served) >= self.most

    def has_room(self) -> bool:
        return len(self.served) < self.room

    has_spare_room = has_room

    def is_stuck(self, now: float) -> bool:
        return False

    def adopt(self, sock: Any, peer: Peer, now: float, *, is_new: bool = True) -> Connection:
        assert not is_new, "its first worker has counted it"
        sock.close()
        return cast(Connection, SimpleNamespace(receiver=SimpleNamespace(ahead=0), handed=None))

    def go_on(self, connection: Connection, data: bytes, now: float) -> None:
        assert connection.handed is not None
        self.served.append(data)

    def turn_away(self, sock: socket.socket, peer: Peer, error: ProtocolError, now: float) -> None:
        sock.close()
        self.refused.append(str(error))

    def forget(self, connection: Connection) -> None:
        raise AssertionError

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        raise AssertionError


@pytest.fixture
def worker(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    worker = Worker(**getattr(request, "param", {}))
    yield worker
    worker.close()


def test_what_waits_is_served_in_order(worker: Worker) -> None:
    worker.crossroads.listen()
    worker.arrive(5)
    worker.crossroads.on_event(NOW)
    assert worker.served == [b"0", b"1", b"2", b"3", b"4"]


def test_no_batch_is_longer_than_its_bound(worker: Worker) -> None:
    worker.crossroads.listen()
    worker.arrive(MOST_AT_ONCE + 1)
    worker.crossroads.on_event(NOW)
    assert len(worker.served) == MOST_AT_ONCE


@pytest.mark.parametrize("worker", [{"pool_size": 2}], indirect=True)
def test_where_there_are_siblings_one_is_taken_at_a_time(worker: Worker) -> None:
    worker.crossroads.listen()
    worker.arrive(3)
    worker.crossroads.on_event(NOW)
    assert (len(worker.served), worker.waiting) == (1, 2)


@pytest.mark.parametrize("limit", ["most", "room"])
def test_beyond_what_the_worker_may_have_connections_stay_in_the_queue(worker: Worker, limit: str) -> None:
    setattr(worker, limit, 2)
    worker.crossroads.listen()
    worker.arrive(5)
    worker.crossroads.on_event(NOW)
    assert (len(worker.served), worker.waiting) == (2, 3)
    assert not worker.watched, "it would be woken again and again for what it cannot take"
    worker.crossroads.listen()
    assert not worker.crossroads.is_receiving
    setattr(worker, limit, 100)
    worker.crossroads.listen()
    assert worker.watched
    worker.crossroads.on_event(NOW)
    assert (len(worker.served), worker.waiting) == (5, 0)


def test_who_comes_too_late_is_told_so(worker: Worker) -> None:
    worker.crossroads.listen()
    worker.arrive(1, deadline=NOW - 0.1)
    worker.crossroads.on_event(NOW)
    assert not worker.served
    assert "pool here" in worker.refused[0]


def test_a_worker_that_has_closed_leaves_the_queue_to_siblings(worker: Worker) -> None:
    worker.is_closed = True
    worker.crossroads.listen()
    assert not worker.crossroads.is_receiving


def test_the_last_of_a_pool_goes_on_to_take_what_is_for_it(worker: Worker) -> None:
    worker.is_closed = True
    worker.page.note(0, ready=0, serves_websocket=False)
    worker.crossroads.listen()
    assert worker.crossroads.is_receiving


def test_the_fallback_takes_what_a_dead_pool_has_left_as_far_as_it_has_room(worker: Worker) -> None:
    worker.most = 2
    worker.page.note(1, ready=0, serves_websocket=False)
    worker.arrive(3, "there")
    worker.crossroads.sweep(NOW)
    assert len(worker.served) == 2
    assert worker.queues["there"].waiting == 1
