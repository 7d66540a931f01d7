"""The message that carries a connection, and what a queue does with it. Socketpairs, but nothing that waits."""

from __future__ import annotations

import os
import resource
import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.contract.queue import INLINE, MOST, Handed, Kind, Queue, pack, unpack

PLAIN = Handed(Kind.REQUEST, 12.5, ("127.0.0.1", 4711), ("127.0.0.1", 8000), b"GET / HTTP/1.1\r\n\r\n")


@given(
    handed=st.builds(
        Handed,
        kind=st.sampled_from(Kind),
        deadline=st.floats(0, 1e9),
        client=st.none() | st.tuples(st.sampled_from(["10.0.0.7", "2001:db8::1%eth0"]), st.integers(0, 65535)),
        server=st.tuples(st.sampled_from(["::1", "192.0.2.1"]), st.integers(0, 65535)),
        data=st.binary(max_size=INLINE),
        set_cookie=st.binary(max_size=300),
        route=st.text(max_size=40).filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text)),
        ahead=st.integers(0, 100),
    )
)
def test_a_message_says_what_was_packed(handed: Handed) -> None:
    packed = pack(handed)
    assert packed is not None
    assert unpack(packed) == handed


@pytest.mark.parametrize("server", [("/run/a.sock", None), ("/run/\udce9.sock", None), ("", None)])
def test_a_unix_socket_has_a_path_and_no_port(server: tuple[str, None]) -> None:
    handed = replace(PLAIN, client=None, server=server)
    assert unpack(pack(handed) or b"") == handed


def test_facts_of_a_proxy_in_front_of_a_unix_socket_are_kept() -> None:
    handed = replace(PLAIN, client=("203.0.113.9", 5), server=("192.0.2.1", 443))
    assert unpack(pack(handed) or b"") == handed


@given(st.binary(max_size=200))
def test_nonsense_is_refused_and_nothing_else(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(packed)


@given(st.integers(0, 200))
def test_a_message_that_was_cut_is_refused(size: int) -> None:
    packed = pack(PLAIN) or b""
    if size < len(packed):
        with pytest.raises(ValueError):
            unpack(packed[:size])


class Pair:
    """A connection, of which `ours` is what is handed over."""

    def __init__(self) -> None:
        self.client, self.ours = socket.socketpair()
        self.handed = replace(PLAIN, server=("/run/a.sock", None))

    def send(self, queue: Queue, **changes: object) -> bool:
        is_sent = queue.send(self.ours.fileno(), replace(self.handed, **changes))  # type: ignore[arg-type]
        self.ours.close()
        return is_sent


@pytest.fixture
def queue():  # type: ignore[no-untyped-def]
    queue = Queue(4)
    yield queue
    queue.close()


def test_a_connection_arrives_with_its_bytes_and_works(queue: Queue) -> None:
    pair = Pair()
    assert pair.send(queue)
    received = queue.receive()
    assert received is not None
    sock, handed = received
    with sock, pair.client:
        assert handed == pair.handed
        assert sock.gettimeout() == 0
        assert (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
        assert not sock.get_inheritable()
        sock.send(b"hello")
        assert pair.client.recv(9) == b"hello"


@pytest.mark.parametrize("size", [INLINE - 1, INLINE, INLINE + 1, 65536, 256_000, MOST])
def test_data_of_any_size_up_to_the_limit_arrives(queue: Queue, size: int) -> None:
    pair = Pair()
    data = os.urandom(size)
    assert pair.send(queue, data=data)
    received = queue.receive()
    assert received is not None
    with received[0], pair.client:
        assert received[1].data == data


def test_more_than_the_limit_is_refused(queue: Queue) -> None:
    pair = Pair()
    with pair.client:
        assert not pair.send(queue, data=bytes(MOST + 1))


def test_connections_arrive_in_order(queue: Queue) -> None:
    for number in range(3):
        pair = Pair()
        pair.client.close()
        assert pair.send(queue, data=b"%d" % number)
    found = []
    while (received := queue.receive()) is not None:
        received[0].close()
        found.append(received[1].data)
    assert found == [b"0", b"1", b"2"]


def test_a_full_queue_refuses_and_takes_again_when_there_is_room(queue: Queue) -> None:
    for _ in range(4):
        pair = Pair()
        pair.client.close()
        assert pair.send(queue)
    assert queue.waiting == 4
    pair = Pair()
    with pair.client:
        assert not queue.send(pair.ours.fileno(), pair.handed)
        received = queue.receive()
        assert received is not None
        received[0].close()
        assert queue.waiting == 3
        assert pair.send(queue)


def test_as_many_as_the_depth_says_fit_whatever_their_heads() -> None:
    queue = Queue(256)
    for _ in range(256):
        pair = Pair()
        pair.client.close()
        assert pair.send(queue, data=bytes(INLINE), set_cookie=bytes(200), route="/" * 200)
    queue.close()


def test_a_count_that_a_dead_worker_left_wrong_is_put_right(queue: Queue) -> None:
    pair = Pair()
    with pair.client:
        queue._words[0] = 4  # as if three had been taken by workers that did not live to count
        assert pair.send(queue)
    assert queue.waiting == 1
    received = queue.receive()
    assert received is not None
    received[0].close()
    queue._words[0] = 3
    assert queue.receive() is None
    assert queue.waiting == 0


def test_a_connection_that_could_not_be_sent_is_not_counted(queue: Queue) -> None:
    pair = Pair()
    pair.ours.close()
    with pair.client, pytest.raises(OSError):
        queue.send(1 << 20, pair.handed)
    assert queue.waiting == 0


def test_what_waits_for_too_long_is_overdue(queue: Queue) -> None:
    pair = Pair()
    with pair.client:
        assert not queue.is_overdue(1e12, 5.0)
        assert pair.send(queue)
        since = queue._floats[1]
        assert not queue.is_overdue(since + 4.9, 5.0)
        assert queue.is_overdue(since + 5.1, 5.0)
        received = queue.receive()
        assert received is not None
        received[0].close()
        assert not queue.is_overdue(since + 60.0, 5.0)


def test_no_descriptor_stays_behind(queue: Queue) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for size in (0, INLINE + 1, MOST + 1, 100_000):
        pair = Pair()
        with pair.client:
            if pair.send(queue, data=bytes(size)):
                received = queue.receive()
                assert received is not None
                received[0].close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_there_is_no_descriptor_for_waits_until_there_is(queue: Queue) -> None:
    """The kernel would close the connection."""
    pair = Pair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pair.client:
        assert pair.send(queue, data=bytes(100_000))
        lowest = os.dup(pair.client.fileno())
        try:
            for most in (lowest, lowest + 1):  # it needs two
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                os.close(lowest)
                assert queue.receive() is None
                assert queue.is_starved
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert os.dup(pair.client.fileno()) == lowest
                queue.is_starved = False
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(lowest)
        received = queue.receive()
        assert received is not None
        assert len(received[1].data) == 100_000
        received[0].close()


def test_a_message_without_a_connection_is_dropped(queue: Queue) -> None:
    pair = Pair()
    queue._sender.send(b"nonsense")
    with pair.client:
        assert pair.send(queue)
        received = queue.receive()
        assert received is not None
        received[0].close()
