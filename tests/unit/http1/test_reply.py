"""Reading responses: every framing, whole and split at every byte."""

from __future__ import annotations

import hashlib

import pytest

from hybrid.http1.reply import ReplyError, ReplyReader

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

CASES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello", 200, b"hello"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        200,
        b"hello world",
    ),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n", 200, b"x"),
    (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nx", 404, b"x"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", 304, b""),
]


@pytest.mark.parametrize(("wire", "status", "body"), CASES)
def test_whole_and_byte_by_byte(wire: bytes, status: int, body: bytes) -> None:
    whole, split = ReplyReader("GET", 1000), ReplyReader("GET", 1000)
    whole.feed(wire)
    for index in range(len(wire)):
        assert not split.is_complete
        split.feed(wire[index : index + 1])
    for reader in (whole, split):
        assert reader.is_complete
        assert (reader.status, reader.body, reader.length) == (status, body, len(body))
        assert reader.is_whole
        assert reader.digest() == hashlib.sha256(body).digest()


def test_names_are_lower_case_and_values_stripped() -> None:
    reader = ReplyReader("GET", 10)
    reader.feed(CASES[0][0])
    assert reader.headers == [(b"content-length", b"5"), (b"a", b"b")]


def test_a_response_to_head_has_no_content() -> None:
    reader = ReplyReader("HEAD", 10)
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert reader.is_complete


def test_content_without_framing_lasts_to_the_end() -> None:
    reader = ReplyReader("GET", 10)
    reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    reader.feed(b"lo")
    assert not reader.is_complete
    reader.end()
    assert (reader.is_complete, reader.body) == (True, b"hello")


def test_of_long_content_the_beginning_is_kept() -> None:
    reader = ReplyReader("GET", 4)
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
    reader.feed(b"56789 and what does not belong to it")
    assert (reader.body, reader.length, reader.is_whole) == (b"0123", 10, False)
    assert reader.digest() == hashlib.sha256(b"0123456789").digest()


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"", "no response"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "no response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "ended before"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "ended before"),
        (b"SSH-2.0\r\n\r\n", "no status line"),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", "no header field"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "size of a chunk"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 100, "without size"),
        (b"HTTP/1.1 200 OK\r\na: " + b"0" * 300_000, "a head of more than"),
    ],
)
def test_what_is_no_response_is_an_error(wire: bytes, message: str) -> None:
    reader = ReplyReader("GET", 10)

    def read() -> None:
        reader.feed(wire)
        reader.end()

    with pytest.raises(ReplyError, match=message):
        read()
