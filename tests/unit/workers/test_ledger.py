"""What a worker writes down of its requests, and the copies that it makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hybrid.contract.shadow import MOST_BODY, Copy, ShadowPart, ShadowQueue
from hybrid.contract.traffic import SAMPLE_EVERY, Counts, TrafficPage
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response
from hybrid.routing.shadow import read_shadow
from hybrid.settings import Settings
from hybrid_workers.ledger import MOST_KEPT, SHADOW_ROUTE, Ledger, Recording

PEER = Peer(("127.0.0.1", 4711), ("127.0.0.1", 8000))


class Desk:
    """A ledger with everything around it."""

    def __init__(self, pool: str = "legacy", *rules: str) -> None:
        self.queue = ShadowQueue()
        part = ShadowPart(self.queue, read_shadow(rules or ["/*=modern"], ["legacy", "modern"]))
        self.page = TrafficPage(1)
        context: Any = SimpleNamespace(pool=pool, crossing=SimpleNamespace(shadow=part))
        self.ledger = Ledger(context, self.page.row(0))
        self.pool = pool

    def request(self, line: bytes = b"GET /a") -> Request:
        parser = HeadParser(H11Fields(), Limits.from_settings(Settings()))
        return parser.parse(line + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    def begin(self, line: bytes = b"GET /a", route: str = "/*", body: bytes | None = b"") -> Recording | None:
        return self.ledger.begin_copy(self.request(line), PEER, route, body)

    def answer(self, *content: bytes, length: int | None = None, shown: int | None = None) -> Copy | None:
        """The copy of a request that was answered so; `shown`: how many of the wire's bytes were recorded."""
        recording = self.begin()
        assert recording is not None
        response = Response(self.request(), Prefixes())
        fields = [] if length is None else [(b"content-length", b"%d" % length)]
        response.start(200, fields)
        wire = [response.content(piece, more=index < len(content) - 1) for index, piece in enumerate(content)]
        for data in [b"".join(wire)[:shown]] if shown is not None else wire:
            recording.take(data)
        self.ledger.end_copy(recording, "/*", response, is_whole=True)
        return self.queue.receive()

    @property
    def counts(self) -> Counts:
        return self.page.read()[self.pool, "/*"]


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.queue.close()


def test_a_short_answer_travels_as_it_went_out(desk: Desk) -> None:
    copy = desk.answer(b"hello", length=5)
    assert copy is not None
    assert (copy.pattern, copy.pool, copy.method, copy.client, copy.is_cut) == (
        "/*",
        "modern",
        "GET",
        PEER.client,
        False,
    )
    assert copy.reply.endswith(b"\r\n\r\nhello")
    assert desk.counts.copied == 1


@pytest.mark.parametrize("length", [200_000, None])
def test_of_a_long_answer_the_beginning_the_length_and_the_digest_travel(desk: Desk, length: int | None) -> None:
    content = bytes(range(250)) * 800
    copy = desk.answer(content[:150_000], content[150_000:], length=length)
    assert copy is not None
    assert (copy.is_cut, copy.length, copy.digest) == (True, 200_000, hashlib.sha256(content).digest())
    assert copy.reply.partition(b"\r\n\r\n")[2] == content[:MOST_BODY]


def test_of_a_very_long_answer_there_is_no_digest(desk: Desk) -> None:
    copy = desk.answer(*[b"x" * 100_000] * 20, length=2_000_000)
    assert copy is not None
    assert MOST_KEPT < 2_000_000
    assert (copy.is_cut, copy.length, copy.digest) == (True, 2_000_000, b"")


@pytest.mark.parametrize("size", [10, 50_000])
def test_content_that_the_kernel_sent_from_a_file_is_known_by_its_length(desk: Desk, size: int) -> None:
    response = Response(desk.request(), Prefixes())
    response.start(200, [(b"content-length", b"%d" % size)])
    head = len(response.content(b"x" * size, more=False)) - size
    copy = desk.answer(b"x" * size, length=size, shown=head)
    assert copy is not None
    assert (copy.is_cut, copy.length, copy.digest) == (True, size, b"")


def test_an_answer_that_broke_off_is_not_compared(desk: Desk) -> None:
    recording = desk.begin()
    assert recording is not None
    desk.ledger.end_copy(recording, "/*", Response(desk.request(), Prefixes()), is_whole=False)
    assert desk.queue.receive() is None
    assert desk.counts.unfit == 1


def test_an_upload_that_is_long_or_not_all_there_is_not_copied() -> None:
    desk = Desk("legacy", "POST /a=modern")
    try:
        assert desk.begin(b"GET /a") is None
        assert desk.begin(b"POST /a", body=None) is None
        assert desk.begin(b"POST /a", body=b"x" * (MOST_BODY + 1)) is None
        assert desk.counts.unfit == 2
        assert desk.begin(b"POST /a", body=b"x" * MOST_BODY) is not None
        growing = desk.begin(b"POST /a")
        assert growing is not None
        for _ in range(3):
            growing.take_body(b"x" * MOST_BODY)
        desk.ledger.end_copy(growing, "/*", Response(desk.request(), Prefixes()), is_whole=True)
        assert desk.counts.unfit == 3
    finally:
        desk.queue.close()


def test_copies_are_not_copied_again_nor_is_what_the_pool_serves_itself(desk: Desk) -> None:
    assert desk.begin(route=SHADOW_ROUTE) is None
    other = Desk("modern")
    assert not other.ledger.copies
    assert other.begin() is None
    other.queue.close()


def test_when_there_is_no_room_copies_are_dropped_and_none_is_tried_for_a_while(desk: Desk) -> None:
    recordings = 0
    response = Response(desk.request(), Prefixes())
    response.start(200, [])
    wire = response.content(b"x" * 60_000, more=False)
    while (recording := desk.begin()) is not None:
        recording.take(wire)
        desk.ledger.end_copy(recording, "/*", response, is_whole=True)
        recordings += 1
        assert recordings < 10_000, "the queue has no bound"
    counts = desk.counts
    assert counts.dropped >= 2, "the one without room, and the one that was not tried"
    assert counts.copied + counts.dropped == recordings + 1


def test_one_request_in_sixteen_is_measured(desk: Desk) -> None:
    assert [desk.ledger.is_sampled("/*") for _ in range(2 * SAMPLE_EVERY)].count(True) == 2
