"""Field lines that come again: what is remembered of them, and what is not."""

from __future__ import annotations

from hybrid.http.field_block import LONGEST, MOST, FieldBlocks
from hybrid.http.request import Request

LINES = b"\r\nHost: a\r\nAccept: */*\r\n\r\n"
HEADERS = [(b"host", b"a"), (b"accept", b"*/*")]


def request(forwarded: bool = False) -> Request:
    made = Request()
    made.headers, made.host, made.forwarded = HEADERS.copy(), b"a", forwarded
    return made


def test_lines_are_known_when_they_have_come_twice() -> None:
    blocks = FieldBlocks()
    blocks.saw(LINES, request(forwarded=True))
    assert not blocks.known
    blocks.saw(LINES, request(forwarded=True))
    block = blocks.known[LINES]
    assert (block.headers, block.host, block.forwarded) == (HEADERS, b"a", True)


def test_what_is_known_does_not_change_with_the_headers_of_the_request_that_it_came_with() -> None:
    blocks = FieldBlocks()
    came = request()
    for _ in range(2):
        blocks.saw(LINES, came)
    came.headers.append((b"x", b"y"))
    assert blocks.known[LINES].headers == HEADERS


def test_long_lines_are_not_kept() -> None:
    blocks = FieldBlocks()
    for _ in range(2):
        blocks.saw(b"\r\nX: " + b"y" * LONGEST, request())
    assert not blocks.known


def test_what_is_kept_is_bounded_and_begins_anew_when_it_is_full() -> None:
    blocks = FieldBlocks()
    for number in range(3 * MOST):
        for _ in range(2):
            blocks.saw(b"%d" % number, request())
        assert len(blocks.known) <= MOST
    assert b"%d" % (3 * MOST - 1) in blocks.known


def test_lines_that_come_once_do_not_drive_out_what_is_known() -> None:
    blocks = FieldBlocks()
    for _ in range(2):
        blocks.saw(LINES, request(forwarded=True))
    for number in range(3 * MOST):
        blocks.saw(b"%d" % number, request())
    assert list(blocks.known) == [LINES]
