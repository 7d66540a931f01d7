"""wsgi.input: PEP 3333, "Input and Error Streams"."""

from __future__ import annotations

import io
import random

import pytest

from hybrid.errors import ProtocolError
from hybrid.wsgi import NO_INPUT, BrokenBody, Input

TEXT = b"first\nsecond line\n\nlast without an end"


def pulled(pieces: list[bytes]) -> Input:
    """An input of which the first piece has come and the others are pulled."""
    rest = iter(pieces[1:])
    return Input(pieces[0], lambda: next(rest, b""))


def splits(data: bytes) -> list[list[bytes]]:
    whole = [data]
    single = [data[i : i + 1] for i in range(len(data))]
    chance = random.Random(4)
    cuts = sorted(chance.sample(range(1, len(data)), 5))
    some = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [whole, [b"", *whole], single, some]


@pytest.mark.parametrize("pieces", splits(TEXT), ids=["whole", "pulled", "bytes", "random"])
class TestAnySplit:
    def test_read_gives_everything(self, pieces: list[bytes]) -> None:
        assert pulled(pieces).read() == TEXT

    def test_read_of_a_size_gives_exactly_that_until_the_end(self, pieces: list[bytes]) -> None:
        body, wanted = pulled(pieces), io.BytesIO(TEXT)
        while expected := wanted.read(7):
            assert body.read(7) == expected
        assert body.read(7) == b""

    def test_readline_gives_lines(self, pieces: list[bytes]) -> None:
        body, wanted = pulled(pieces), io.BytesIO(TEXT)
        while expected := wanted.readline():
            assert body.readline() == expected
        assert body.readline() == b""

    def test_readline_of_a_size_never_gives_more_nor_a_false_end(self, pieces: list[bytes]) -> None:
        body, wanted = pulled(pieces), io.BytesIO(TEXT)
        while expected := wanted.readline(4):
            assert body.readline(4) == expected

    def test_iteration_and_readlines_agree_with_a_file(self, pieces: list[bytes]) -> None:
        assert list(pulled(pieces)) == pulled(pieces).readlines() == io.BytesIO(TEXT).readlines()

    def test_readlines_stops_after_the_hint(self, pieces: list[bytes]) -> None:
        assert pulled(pieces).readlines(7) == io.BytesIO(TEXT).readlines(7)

    def test_mixed_calls_lose_nothing(self, pieces: list[bytes]) -> None:
        body = pulled(pieces)
        assert body.read(3) + body.readline() + body.readline(2) + body.read() == TEXT


def test_read_of_nothing_does_not_wait() -> None:
    def wait() -> bytes:
        raise AssertionError("it would block")

    body = Input(b"", wait)
    assert (body.read(0), body.readline(0), body.read1(0)) == (b"", b"", b"")


def test_read1_gives_what_has_come() -> None:
    body = pulled([b"abc", b"de"])
    assert [body.read1(2), body.read1(), body.read1(-1), body.read1()] == [b"ab", b"c", b"de", b""]


def test_after_the_end_nothing_is_pulled() -> None:
    pulls = iter([b"a", b""])
    body = Input(b"", lambda: next(pulls))
    assert body.read() == b"a"
    assert body.read() == body.readline() == b""


def test_a_short_body_is_an_error_and_no_end() -> None:
    def gone() -> bytes:
        raise BrokenBody("the client has gone", ProtocolError(400, "the body ended early"))

    body = Input(b"begin", gone)
    with pytest.raises(OSError, match="gone"):
        body.read()
    with pytest.raises(OSError, match="gone"):
        body.read()


def test_none_as_size_means_everything() -> None:
    assert Input(b"abc").read(None) == b"abc"
    assert Input(b"a\nb").readline(None) == b"a\n"


def test_a_request_without_body_has_an_empty_input() -> None:
    assert NO_INPUT.read() == NO_INPUT.readline() == b""
    assert list(NO_INPUT) == []


def test_what_is_read_is_bytes_wherever_the_pieces_end() -> None:
    for size in range(1, 12):
        body = pulled([b"abc", b"defg", b"h"])
        assert body.read(1) == b"a"
        piece = body.read(size)
        assert type(piece) is bytes
        assert piece + body.read() == b"bcdefgh"


def test_piece_that_is_asked_for_as_it_came_is_not_copied() -> None:
    piece = b"x" * 1000
    assert pulled([b"", piece]).read(1000) is piece
    assert pulled([b"", piece]).read(1001) is piece
