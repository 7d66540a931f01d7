"""Where a request goes, and what becomes of what nobody takes. Queues are real, workers are words on a page."""

from __future__ import annotations

import logging
import os
import socket
from time import monotonic
from types import SimpleNamespace
from typing import cast

import pytest

from hybrid.contract import WorkerContext
from hybrid.contract.crossing import Crossing
from hybrid.contract.pool_page import PoolPage
from hybrid.contract.queue import Handed, Kind, Queue
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.receiver import Receiver
from hybrid.routing import Choice, Pattern, Route, Share
from hybrid_workers.junction import RETRY_AFTER, Junction, Rescue, Way, unavailable

ROUTE = Route(Pattern("/**"), (Share("api", 1.0),))
NAMES = ("default", "api", "old", "new")
"""No worker of the last one has been ready yet."""
HEAD = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
TIMEOUT = 5.0


class Crossed:
    """A worker of pool `default`, with a client."""

    def __init__(self, **fallbacks: str) -> None:
        self.page = PoolPage()
        self.queues = {name: Queue(2) for name in NAMES}
        self.set_ready(default=1, api=1, old=1)
        crossing = Crossing("default", self.queues, self.page, True, fallbacks, TIMEOUT)
        context = SimpleNamespace(log=logging.getLogger("test.junction"), slot=0)
        self.junction = Junction(cast(WorkerContext, context), crossing)
        self.client, self.ours = socket.socketpair()

    def set_ready(self, **ready: int) -> None:
        for name, count in ready.items():
            self.page.note(NAMES.index(name), ready=count, serves_websocket=False)

    def pass_on(self, pool: str = "api", cookie: bytes = b"", rest: bytes = b"", ahead: int = 0) -> Way:
        request = cast(Request, SimpleNamespace(head=HEAD))
        receiver = cast(Receiver, SimpleNamespace(buffer=rest, ahead=ahead))
        peer = Peer(None, ("/run/a", None))
        return self.junction.pass_on(self.ours.fileno(), peer, request, receiver, _choice(pool, cookie))

    def send(self, pool: str, deadline: float = 1e9) -> None:
        handed = Handed(Kind.REQUEST, deadline, None, ("", None), HEAD)
        assert self.queues[pool].send(self.ours.fileno(), handed)

    def taken(self, pool: str) -> Handed | None:
        received = self.queues[pool].receive()
        if received is None:
            return None
        received[0].close()
        return received[1]

    def close(self) -> None:
        for queue in self.queues.values():
            queue.close()
        self.client.close()
        self.ours.close()


def _choice(pool: str, cookie: bytes = b"") -> Choice:
    return Choice(pool, ROUTE, cookie)


@pytest.fixture
def crossed(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    crossed = Crossed(**getattr(request, "param", {}))
    yield crossed
    crossed.close()


def test_a_request_goes_to_its_pool_with_all_that_was_read(crossed: Crossed) -> None:
    assert crossed.pass_on(cookie=b"hybrid_pool=api", rest=b"GET /next", ahead=3) is Way.LEFT
    handed = crossed.taken("api")
    assert handed is not None
    assert handed.data == HEAD + b"GET /next"
    assert (handed.kind, handed.set_cookie, handed.route, handed.ahead) == (
        Kind.REQUEST,
        b"hybrid_pool=api",
        str(ROUTE.pattern),
        3,
    )


def test_what_is_passed_on_may_wait_as_long_as_the_setting_says(crossed: Crossed) -> None:
    before = monotonic()
    crossed.pass_on()
    handed = crossed.taken("api")
    assert handed is not None
    assert before + TIMEOUT <= handed.deadline <= monotonic() + TIMEOUT


def test_a_pool_without_a_ready_worker_cannot_take_it(crossed: Crossed) -> None:
    crossed.set_ready(api=0)
    assert crossed.pass_on() is Way.REFUSED
    assert crossed.taken("api") is None


def test_a_pool_that_does_not_exist_cannot_take_it(crossed: Crossed) -> None:
    assert crossed.pass_on("nobody") is Way.REFUSED


@pytest.mark.parametrize("crossed", [{"api": "old"}], indirect=True)
def test_the_fallback_takes_what_its_pool_cannot(crossed: Crossed) -> None:
    crossed.set_ready(api=0)
    assert crossed.pass_on() is Way.LEFT
    assert crossed.taken("old") is not None


@pytest.mark.parametrize("crossed", [{"api": "old"}], indirect=True)
def test_the_fallback_takes_what_there_is_no_room_for(crossed: Crossed) -> None:
    assert [crossed.pass_on() for _ in range(3)] == [Way.LEFT] * 3
    assert [crossed.queues[name].waiting for name in ("api", "old")] == [2, 1]


@pytest.mark.parametrize("crossed", [{"api": "default"}], indirect=True)
def test_a_worker_of_the_fallback_serves_it_itself(crossed: Crossed) -> None:
    crossed.set_ready(api=0)
    assert crossed.pass_on() is Way.HERE


@pytest.mark.parametrize("crossed", [{"api": "old", "old": "api"}], indirect=True)
def test_fallbacks_in_a_circle_end(crossed: Crossed) -> None:
    crossed.set_ready(api=0, old=0)
    assert crossed.pass_on() is Way.REFUSED


def test_a_pool_that_has_never_been_ready_is_waited_for(crossed: Crossed) -> None:
    assert [crossed.pass_on("new") for _ in range(3)] == [Way.LEFT, Way.LEFT, Way.REFUSED]
    handed = crossed.taken("new")
    assert handed is not None
    assert handed.data == HEAD


@pytest.mark.parametrize("crossed", [{"new": "old"}], indirect=True)
def test_a_fallback_serves_while_its_pool_starts(crossed: Crossed) -> None:
    assert crossed.pass_on("new") is Way.LEFT
    assert crossed.taken("old") is not None


def test_a_pool_that_has_never_been_ready_is_waited_for_no_longer_than_for_others(crossed: Crossed) -> None:
    crossed.pass_on("new")
    now = monotonic()
    assert _rescues(crossed, now) == []
    assert _rescues(crossed, now + TIMEOUT) == [("new", Rescue.REFUSE)]


def test_nobody_waits_for_a_pool_that_will_not_start_any_more(crossed: Crossed) -> None:
    crossed.page.stop()
    assert crossed.pass_on("new") is Way.REFUSED


def test_who_is_refused_is_told_when_to_come_back() -> None:
    error = unavailable("api")
    assert error.status == 503
    assert error.fields == RETRY_AFTER
    assert "api" in str(error)


def test_while_all_stop_who_still_receives_is_good_enough(crossed: Crossed) -> None:
    crossed.set_ready(api=0)
    crossed.page.stop()
    assert crossed.pass_on() is Way.REFUSED
    crossed.queues["api"].enter(1, os.getpid())
    assert crossed.pass_on() is Way.LEFT


def test_relief_is_for_the_own_pool_and_says_nothing_of_routes(crossed: Crossed) -> None:
    assert crossed.junction.relieve(crossed.ours.fileno(), Peer(None, ("", None)), b"GET", 1)
    handed = crossed.taken("default")
    assert handed is not None
    assert (handed.kind, handed.data, handed.route, handed.ahead) == (Kind.RELIEF, b"GET", "", 1)


# -- the queues of others ---------------------------------------------------------------------------


def _rescues(crossed: Crossed, now: float) -> list[tuple[str, Rescue]]:
    return [(name, rescue) for name, _, rescue in crossed.junction.orphans(now)]


def test_empty_queues_need_nobody(crossed: Crossed) -> None:
    crossed.set_ready(api=0)
    assert _rescues(crossed, 1e6) == []


def test_what_a_ready_pool_has_in_its_queue_is_left_to_it(crossed: Crossed) -> None:
    crossed.send("api")
    assert _rescues(crossed, _since(crossed, "api") + TIMEOUT - 1) == []


def test_what_a_ready_pool_does_not_take_in_time_is_answered_when_it_is_late(crossed: Crossed) -> None:
    crossed.send("api")
    assert _rescues(crossed, _since(crossed, "api") + TIMEOUT + 0.1) == [("api", Rescue.REFUSE_LATE)]


@pytest.mark.parametrize("crossed", [{"api": "default"}], indirect=True)
def test_the_fallback_serves_what_a_dead_pool_has_left_at_once(crossed: Crossed) -> None:
    crossed.send("api")
    crossed.set_ready(api=0)
    assert _rescues(crossed, _since(crossed, "api")) == [("api", Rescue.SERVE)]


def test_a_dead_pool_has_the_time_of_a_hand_off_to_come_back(crossed: Crossed) -> None:
    crossed.send("api")
    crossed.set_ready(api=0)
    now = _since(crossed, "api")
    assert _rescues(crossed, now) == []
    assert _rescues(crossed, now + TIMEOUT - 0.1) == []
    assert _rescues(crossed, now + TIMEOUT) == [("api", Rescue.REFUSE)]


def test_a_pool_that_came_back_has_its_time_anew_when_it_dies_again(crossed: Crossed) -> None:
    crossed.send("api")
    now = _since(crossed, "api")
    crossed.set_ready(api=0)
    assert _rescues(crossed, now) == []
    crossed.set_ready(api=1)
    assert _rescues(crossed, now + 4) == []
    crossed.set_ready(api=0)
    assert _rescues(crossed, now + 4.5) == []
    assert _rescues(crossed, now + TIMEOUT) == []


def test_the_own_queue_is_no_orphan_though_nobody_is_ready(crossed: Crossed) -> None:
    crossed.send("default")
    crossed.set_ready(default=0)
    assert _rescues(crossed, _since(crossed, "default") + 1) == []


def test_the_last_of_all_looks_where_nobody_receives(crossed: Crossed) -> None:
    crossed.set_ready(default=0, api=0, old=1, new=1)
    crossed.queues["api"].enter(1, os.getpid())
    crossed.junction.leave()
    assert crossed.junction.abandoned() == [crossed.queues["default"]]


def _since(crossed: Crossed, pool: str) -> float:
    assert crossed.queues[pool].waiting
    return monotonic()
