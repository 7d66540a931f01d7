"""A connection's writing and reading, over a socket that takes and gives what the test says."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from hybrid.errors import ClientGone
from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.receiver import Receiver
from hybrid.wsgi import BrokenBody
from hybrid_workers.connection import HIGH_WATER, Connection, Phase

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


class FakeSocket:
    """Gives `to_read` piece by piece, then blocks; takes `room` bytes, then blocks. b"" is the end."""

    def __init__(self, *to_read: bytes | OSError, room: int = 1 << 40) -> None:
        self.to_read = list(to_read)
        self.room = room
        self.taken = b""

    def fileno(self) -> int:
        return -1

    def recv(self, size: int) -> bytes:
        if not self.to_read:
            raise BlockingIOError
        piece = self.to_read.pop(0)
        if isinstance(piece, OSError):
            raise piece
        return piece

    def send(self, data: bytes | memoryview) -> int:
        if self.room < 0:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        size = min(len(data), self.room)
        self.room -= size
        self.taken += bytes(data[:size])
        return size


class TestConnection(Connection):
    """Waiting is scripted: each wait makes `arrivals` come or gives up."""

    __test__ = False
    __slots__ = ("arrivals", "fake", "waits")

    def __init__(self, fake: FakeSocket, *, deadlines: Deadlines | None = None) -> None:
        receiver = Receiver(HeadParser(HttptoolsFields(), Limits()), Limits())
        peer = Peer(client=("192.0.2.7", 5), server=("127.0.0.1", 80))
        super().__init__(cast(socket.socket, fake), peer, receiver, deadlines or Deadlines())
        self.fake = fake
        self.arrivals: list[int | bytes] = []
        self.waits: list[float] = []

    def wait(self, events: int, timeout: float) -> bool:
        self.waits.append(timeout)
        if not self.arrivals:
            return False
        arrival = self.arrivals.pop(0)
        if isinstance(arrival, int):
            self.fake.room = arrival
        else:
            self.fake.to_read.append(arrival)
        return True


def test_what_the_client_takes_at_once_is_not_kept() -> None:
    connection = TestConnection(FakeSocket())
    connection.write(b"answer")
    assert (connection.fake.taken, connection.out_size, connection.is_flushed) == (b"answer", 0, True)


def test_what_the_client_does_not_take_is_kept_in_order() -> None:
    connection = TestConnection(FakeSocket(room=3))
    connection.write(b"abcdef")
    connection.write((b"<", b"large", b">"))
    assert connection.out_size == 10
    connection.fake.room = 5
    connection.flush()
    assert connection.out_size == 5
    connection.fake.room = 100
    connection.flush()
    assert connection.fake.taken == b"abcdef<large>"
    assert connection.is_flushed


def test_a_client_that_has_gone_is_told_by_one_exception() -> None:
    connection = TestConnection(FakeSocket(room=-1))
    with pytest.raises(ClientGone):
        connection.write(b"x")


def test_writing_wholly_waits_until_little_is_left() -> None:
    connection = TestConnection(FakeSocket(room=0))
    connection.arrivals = [10, HIGH_WATER]
    connection.write_wholly(b"x" * (2 * HIGH_WATER))
    assert connection.out_size == HIGH_WATER - 10
    assert [round(wait) for wait in connection.waits] == [30, 30]


def test_a_client_that_takes_nothing_is_given_up() -> None:
    connection = TestConnection(FakeSocket(room=0), deadlines=Deadlines(write=3))
    with pytest.raises(ClientGone, match="too little for 3 s"):
        connection.write_wholly(b"x" * (2 * HIGH_WATER))


def begin(connection: Connection, data: bytes = HEAD) -> None:
    assert connection.receiver.next_request(data) is not None
    connection.start_body()


def test_pull_gives_content_as_it_comes_and_then_the_end() -> None:
    connection = TestConnection(FakeSocket(b"01234"))
    connection.arrivals = [b"56789GET"]
    begin(connection)
    assert [connection.pull(), connection.pull(), connection.pull()] == [b"01234", b"56789", b""]
    assert connection.receiver.buffer == b"GET"


@pytest.mark.parametrize(("ending", "status"), [(b"", 400), (None, 408)])
def test_a_body_that_does_not_come_whole_is_broken(ending: bytes | None, status: int) -> None:
    connection = TestConnection(FakeSocket(b"01234"))
    connection.arrivals = [] if ending is None else [ending]
    begin(connection)
    assert connection.pull() == b"01234"
    with pytest.raises(BrokenBody) as caught:
        connection.pull()
    assert caught.value.refusal is not None
    assert caught.value.refusal.status == status


def test_a_reset_during_the_body_leaves_nobody_to_tell() -> None:
    connection = TestConnection(FakeSocket(ConnectionResetError()))
    begin(connection)
    with pytest.raises(BrokenBody) as caught:
        connection.pull()
    assert caught.value.refusal is None


def test_malformed_chunks_are_an_error_to_the_application() -> None:
    connection = TestConnection(FakeSocket(b"zz\r\n"))
    begin(connection, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(BrokenBody) as caught:
        connection.pull()
    assert caught.value.refusal is not None
    assert caught.value.refusal.status == 400


def test_a_body_in_tiny_pieces_is_kept_in_few() -> None:
    connection = TestConnection(FakeSocket())
    begin(connection, HEAD.replace(b"10", b"4000"))
    connection.start_body()
    for number in range(1999):
        connection.take_content(b"%02d" % (number % 100))
    assert len(connection.content) < 100
    assert connection.content_size == 3998
    assert b"".join(connection.content) == (b"".join(b"%02d" % number for number in range(100)) * 20)[:3998]


def test_the_deadline_of_a_body_that_is_being_read_counts_from_its_beginning() -> None:
    connection = TestConnection(FakeSocket(), deadlines=Deadlines(body=30, body_min_rate=240))
    begin(connection)
    connection.wait_for_body(100.0)
    assert (connection.phase, connection.deadline) == (Phase.BODY, 130.0)
    connection.take_content(b"0")
    connection.wait_for_body(120.0)
    assert connection.deadline == 130.0


def test_what_is_unread_is_noticed_and_stays_there() -> None:
    ours, theirs = socket.socketpair()
    receiver = Receiver(HeadParser(HttptoolsFields(), Limits()), Limits())
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(ours, Peer(None, ("/run/a", None)), receiver, Deadlines())
        assert not connection.has_unread
        theirs.send(b"\r\n")
        assert connection.has_unread
        assert ours.recv(10) == b"\r\n"
        theirs.shutdown(socket.SHUT_WR)
        assert not connection.has_unread
