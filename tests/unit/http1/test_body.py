"""Body decoders: what is content, what follows it."""

from __future__ import annotations

import pytest

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http1.body import ChunkedBody, CountedBody


def decode(data: bytes, limits: Limits | None = None, *, step: int = 0) -> tuple[bytes, bytes, ChunkedBody]:
    body = ChunkedBody(limits or Limits())
    content = rest = b""
    for at in range(0, len(data), step or len(data)):
        piece = data[at : at + (step or len(data))]
        if body.is_complete:
            rest += piece
            continue
        more, rest = body.feed(piece)
        content += more
    return content, rest, body


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7])
def test_chunks_trailers_and_what_follows(step: int) -> None:
    data = b'3\r\nabc\r\nA;x=1;y="\\"z"\r\n0123456789\r\n0\r\nX-Sum: 9 \r\n\r\nGET '
    content, rest, body = decode(data, step=step)
    assert content == b"abc0123456789"
    assert rest == b"GET "
    assert body.is_complete
    assert body.trailers == [(b"x-sum", b"9")]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize(
    "data",
    [
        b"\r\n", b"g\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b" 1\r\n", b"1 \r\n", b"1\n", b"1\r\r\n",
        b"1_0\r\n", b"11111111111111111\r\n", b"8000000000000000\r\n", b"1;\r\n", b"1;=a\r\n", b"1;a=\x00\r\n",
        b'1;a="\r\n', b"1\r\nab\r\n", b"1\r\na\n", b"1\r\na\rb", b"0\r\nX\r\n\r\n", b"0\r\nX : y\r\n\r\n",
        b"0\r\n y\r\n\r\n", b"0\r\nX: \x00\r\n\r\n", b"0\r\nX: a\nY: b\r\n\r\n", b"0\r\nHost: b\r\n\r\n",
        b"0\r\nContent-Length: 3\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)  # fmt: skip
def test_malformed_chunks_are_refused(data: bytes, step: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data, step=step)
    assert caught.value.status == 400


@pytest.mark.parametrize(("size", "is_allowed"), [(256, True), (257, False)])
@pytest.mark.parametrize("step", [0, 1])
def test_the_chunk_size_line_limit_does_not_depend_on_the_split(size: int, is_allowed: bool, step: int) -> None:
    line = b"1;" + b"a" * (size - 2)
    if is_allowed:
        assert decode(line + b"\r\nx\r\n0\r\n\r\n", step=step)[0] == b"x"
    else:
        with pytest.raises(ProtocolError):
            decode(line + b"\r\nx\r\n0\r\n\r\n", step=step)


@pytest.mark.parametrize(("size", "is_allowed"), [(50, True), (51, False)])
@pytest.mark.parametrize("step", [0, 1])
def test_the_trailer_limit_does_not_depend_on_the_split(size: int, is_allowed: bool, step: int) -> None:
    data = b"0\r\nX: " + b"a" * (size - 3) + b"\r\n\r\n"
    if is_allowed:
        assert decode(data, Limits(field_size=50), step=step)[2].is_complete
    else:
        with pytest.raises(ProtocolError, match="431"):
            decode(data, Limits(field_size=50), step=step)


def test_trailers_are_limited_in_number_and_in_all() -> None:
    with pytest.raises(ProtocolError, match="431"):
        decode(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n")
    with pytest.raises(ProtocolError, match="431"):
        decode(b"0\r\n" + b"X: " + b"y" * 8000 + b"\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 9)


def test_endless_trailers_are_refused_while_they_come() -> None:
    body = ChunkedBody(Limits())
    body.feed(b"0\r\nX: ")
    for _ in range(8):
        body.feed(b"y" * 1000)
    with pytest.raises(ProtocolError, match="431"):
        body.feed(b"y" * 1000)


def test_a_body_over_the_limit_is_refused_at_the_chunk_that_announces_it() -> None:
    body = ChunkedBody(Limits(body=5))
    assert body.feed(b"5\r\nabcde\r\n")[0] == b"abcde"
    with pytest.raises(ProtocolError, match="413"):
        body.feed(b"1\r\n")


def test_a_counted_body_leaves_what_follows() -> None:
    body = CountedBody(3)
    assert body.feed(b"a") == (b"a", b"")
    assert not body.is_complete
    assert body.feed(b"bcGET ") == (b"bc", b"GET ")
    assert body.is_complete


@pytest.mark.parametrize("size", [1, 2, 15, 16, 255, 4095, 4096, 4097])
@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 4100])
def test_small_chunks_come_whole_from_any_split(size: int, cut: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"\r" * size)
    wire = chunk * 9 + b"%X;a=b\r\n%b\r\n" % (size, b"y" * size) + chunk * 9 + b"0\r\n\r\nNEXT"
    body = ChunkedBody(Limits())
    content, rest = b"", b""
    for at in range(0, len(wire), cut):
        piece = wire[at : at + cut]
        if body.is_complete:
            rest += piece
            continue
        more, rest = body.feed(piece)
        content += more
    assert content == b"\r" * size * 9 + b"y" * size + b"\r" * size * 9
    assert (body.is_complete, rest) == (True, b"NEXT")


@pytest.mark.parametrize("count", [10, 11])
def test_many_small_chunks_are_bounded_like_one_large_one(count: int) -> None:
    body = ChunkedBody(Limits(body=10))
    wire = b"1\r\nx\r\n" * count
    if count == 10:
        assert body.feed(wire)[0] == b"x" * 10
    else:
        with pytest.raises(ProtocolError, match="413"):
            body.feed(wire)


@pytest.mark.parametrize(
    "broken", [b"1\r\nxy\r\n", b"1\r\nx\n\r\n", b"1\nx\r\n", b"-1\r\nx\r\n", b" 1\r\nx\r\n", b"\r\nx"]
)
def test_a_broken_chunk_behind_small_ones_is_400(broken: bytes) -> None:
    with pytest.raises(ProtocolError, match="400"):
        ChunkedBody(Limits()).feed(b"1\r\nx\r\n" * 5 + broken)
