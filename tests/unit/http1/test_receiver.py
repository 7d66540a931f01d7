"""Receiver: where one request ends and the next begins."""

from __future__ import annotations

import pytest

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import TLS_ON_PLAIN, HeadParser
from hybrid.http1.receiver import Receiver

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=[HttptoolsFields, H11Fields])
def parser(request: pytest.FixtureRequest) -> HeadParser:
    return HeadParser(request.param(), Limits())


@pytest.fixture
def receiver(parser: HeadParser) -> Receiver:
    return Receiver(parser, Limits())


def test_one_empty_line_before_a_request_is_dropped_however_it_arrives(receiver: Receiver) -> None:
    for pieces in ([b"\r\n" + HEAD], [b"\r", b"\n" + HEAD], [b"\r\n", HEAD], [b"\r\nGET", HEAD[3:]]):
        *begin, last = pieces
        assert [receiver.next_request(piece) for piece in begin] == [None] * len(begin)
        request = receiver.next_request(last)
        assert request is not None
        assert request.head == HEAD
        assert receiver.buffer == b""


def test_an_empty_line_after_a_request_is_not_the_beginning_of_the_next(receiver: Receiver) -> None:
    assert receiver.next_request(HEAD + b"\r\n") is not None
    assert receiver.next_request() is None
    assert receiver.buffer == b""


@pytest.mark.parametrize("pieces", [[b"\r\n\r\n" + HEAD], [b"\r\n", b"\r\n"], [b"\r\n", b"\r"], [b"\n"], [b"\rG"]])
def test_more_or_other_empty_lines_are_refused(parser: HeadParser, pieces: list[bytes]) -> None:
    receiver = Receiver(parser, Limits())
    *begin, last = pieces
    for piece in begin:
        assert receiver.next_request(piece) is None
    with pytest.raises(ProtocolError, match="malformed request line"):
        receiver.next_request(last)


def test_a_tls_hello_is_named(receiver: Receiver) -> None:
    assert receiver.next_request(b"\x16") is None
    with pytest.raises(ProtocolError) as caught:
        receiver.next_request(b"\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert caught.value.reason == TLS_ON_PLAIN


def test_a_tls_hello_with_an_empty_line_in_its_random_bytes_is_named(receiver: Receiver) -> None:
    with pytest.raises(ProtocolError) as caught:
        receiver.next_request(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert caught.value.reason == TLS_ON_PLAIN


@pytest.mark.parametrize(
    "line", [b"Proxy-Connection: close", b"Connection: close", b"Proxy-Connection: upgrade\r\nUpgrade: x"]
)
def test_what_one_client_says_of_its_connection_does_not_touch_another(parser: HeadParser, line: bytes) -> None:
    """All connections of a thread share one parser, and llhttp remembers that the message was to be the last."""
    assert Receiver(parser, Limits()).next_request(HEAD[:-2] + line + b"\r\n\r\n") is not None
    assert Receiver(parser, Limits()).next_request(HEAD) is not None


def test_a_refused_head_does_not_touch_another_connection(parser: HeadParser) -> None:
    for bad in (b"Content-Length: 1\r\nContent-Length: 2", b"Host: b", b"A_B: c\r\nX y: z", b"Transfer-Encoding: x"):
        with pytest.raises(ProtocolError):
            Receiver(parser, Limits()).next_request(HEAD[:-2] + bad + b"\r\n\r\n")
        request = Receiver(parser, Limits()).next_request(HEAD)
        assert request is not None
        assert (request.headers, request.content_length, request.underscored) == ([(b"host", b"a")], 0, None)


def test_the_last_of_too_many_pipelined_requests_closes_the_connection(parser: HeadParser) -> None:
    receiver = Receiver(parser, Limits(pipelined=3))
    kept = []
    request = receiver.next_request(HEAD * 6)
    while request is not None:
        kept.append(request.keep_alive)
        request = receiver.next_request()
    assert kept[:4] == [True, True, True, False]


def test_one_request_after_another_is_not_pipelining(parser: HeadParser) -> None:
    receiver = Receiver(parser, Limits(pipelined=3))
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    for _ in range(10):
        request = receiver.next_request(post)
        assert request is not None
        assert receiver.read_body(b"") == b"hi"
        assert request.keep_alive


def test_bytes_held_during_a_response_are_the_next_request(receiver: Receiver) -> None:
    assert receiver.next_request(HEAD) is not None
    receiver.hold(HEAD[:7])
    receiver.hold(HEAD[7:])
    assert receiver.next_request() is not None


def test_the_pipelined_request_behind_a_body_stays_in_the_buffer(receiver: Receiver) -> None:
    assert receiver.next_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab") is not None
    assert receiver.read_body(b"") == b"ab"
    assert receiver.body is not None
    assert receiver.read_body(b"c" + HEAD) == b"c"
    assert receiver.body is None
    assert receiver.buffer == HEAD


@pytest.mark.parametrize("size", [8190, 8191])
def test_the_request_line_limit_is_the_same_for_whole_and_split_heads(parser: HeadParser, size: int) -> None:
    line = b"GET /" + b"a" * (size - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"
    assert len(line) == size
    for pieces in (
        [line + b"\r\nHost: a\r\n\r\n"],
        [line, b"\r\nHost: a\r\n\r\n"],
        [line + b"\r", b"\nHost: a\r\n\r\n"],
    ):
        receiver = Receiver(parser, Limits())
        if size == 8190:
            assert [receiver.next_request(piece) is not None for piece in pieces][-1]
        else:
            with pytest.raises(ProtocolError, match="414"):
                [receiver.next_request(piece) for piece in pieces]


def test_a_head_that_does_not_end_is_refused_as_soon_as_it_has_too_many_fields(parser: HeadParser) -> None:
    receiver = Receiver(parser, Limits(fields=3))
    assert receiver.next_request(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 3) is None
    with pytest.raises(ProtocolError) as caught:
        receiver.next_request(b"A: b\r\nA:")
    assert caught.value.status == 431


@pytest.mark.parametrize("step", [10, 500])
def test_a_head_that_does_not_end_is_refused_as_soon_as_it_is_too_long(parser: HeadParser, step: int) -> None:
    receiver = Receiver(parser, Limits(head=1000))
    begun = b"GET / HTTP/1.1\r\nA: "
    assert receiver.next_request(begun) is None
    for _ in range((1000 - len(begun)) // step):
        assert receiver.next_request(b"x" * step) is None
    with pytest.raises(ProtocolError) as caught:
        receiver.next_request(b"x" * step)
    assert caught.value.status == 431


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\nHost", b"GET / HTTP/1.1\r\nHost: a\nA", b"GET / HTTP/1.1\r\n\nA"])
def test_a_bare_lf_is_refused_before_the_head_has_ended(receiver: Receiver, head: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        receiver.next_request(head)
    assert caught.value.status == 400


@pytest.mark.parametrize("behind", [b"", b"GET / HTTP/1.1\r\n"])
def test_a_body_that_came_with_its_head_is_given_at_once(receiver: Receiver, behind: bytes) -> None:
    assert receiver.next_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" + behind)
    assert receiver.read_whole() == b"body"
    assert receiver.body is None
    assert receiver.buffer == behind


@pytest.mark.parametrize(
    ("framing", "come", "content"),
    [
        (b"Content-Length: 4", b"bod", b"bod"),
        (b"Transfer-Encoding: chunked", b"4\r\nbody\r\n0\r\n\r\n", b"body"),
    ],
)
def test_another_body_is_left_to_be_read_in_pieces(
    receiver: Receiver, framing: bytes, come: bytes, content: bytes
) -> None:
    assert receiver.next_request(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + come)
    assert receiver.read_whole() is None
    assert receiver.read_body(b"") == content
