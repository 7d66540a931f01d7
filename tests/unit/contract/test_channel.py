"""The channel: pieces of messages, floods, and lines without an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hybrid.contract import Channel
from hybrid.contract.messages import Retire, encode


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel, and the bare socket at its other end."""
    left, right = socket.socketpair()
    channel = Channel(left)
    yield channel, right
    channel.close()
    right.close()


def test_a_message_in_pieces_is_one_message(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    line = encode(Retire("asked"))
    for byte in line[:-1]:
        other.send(bytes([byte]))
        assert channel.receive() == []
    other.send(line[-1:])
    assert channel.receive() == [Retire("asked")]


def test_ten_thousand_messages_come_in_order(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.setblocking(False)
    unsent = b"".join(encode(Retire(str(number))) for number in range(10_000))
    received = []
    while unsent or len(received) < 10_000:
        try:
            unsent = unsent[other.send(unsent) :] if unsent else b""
        except BlockingIOError:
            pass
        received += [message.reason for message in channel.receive() if isinstance(message, Retire)]
    assert received == [str(number) for number in range(10_000)]


def test_a_line_without_end_breaks_the_connection_for_both(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.setblocking(False)
    sent = 0
    while channel.is_open:
        try:
            sent += other.send(b"x" * 65536)
        except BlockingIOError:
            assert channel.receive() == []
        assert sent < 8 << 20
    assert channel.fileno() >= 0  # it may still be watched
    other.setblocking(True)
    assert other.recv(1) == b""


def test_what_was_said_before_the_end_is_heard(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.send(encode(Retire("asked")) + b"half a mess")
    other.shutdown(socket.SHUT_WR)
    assert channel.receive() == [Retire("asked")]
    assert not channel.is_open
