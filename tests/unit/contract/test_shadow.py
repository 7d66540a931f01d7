"""Copies of requests on their way to the shadow worker."""

from __future__ import annotations

from dataclasses import replace

from hybrid.contract.shadow import Copy, ShadowQueue, decode, encode

COPY = Copy(
    pattern="/é/*",
    pool="modern",
    head=b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    body=b"\x00body",
    method="GET",
    reply=b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    seconds=0.125,
    at=4711.25,
    client=("::1", 4711),
    server=("127.0.0.1", 8000),
    is_cut=True,
    length=1 << 40,
    digest=b"d" * 32,
)


def test_there_and_back() -> None:
    for copy in (COPY, replace(COPY, client=None, server=("/run/\udcff.sock", None), is_cut=False)):
        assert decode(encode(copy)) == copy


def test_what_has_no_room_is_refused_and_what_was_taken_arrives_in_order() -> None:
    queue = ShadowQueue()
    try:
        sent = 0
        while queue.send(encode(replace(COPY, length=sent))):
            sent += 1
            assert sent < 100_000, "the queue has no bound"
        assert sent > 10
        for number in range(sent):
            copy = queue.receive()
            assert copy is not None
            assert copy.length == number
        assert queue.receive() is None
        assert queue.send(encode(COPY))
    finally:
        queue.close()


def test_a_message_that_is_too_long_is_refused() -> None:
    queue = ShadowQueue()
    try:
        assert not queue.send(bytes(64 * 1024 * 1024))
    finally:
        queue.close()
