"""Content that the caller sends itself (sendfile): the framing is still the response's."""

from __future__ import annotations

import pytest

from hybrid.http.limits import Limits
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response, ResponseError


def response(head: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> Response:
    return Response(HeadParser(HttptoolsFields(), Limits()).parse(head), Prefixes(server=None, date=False))


def test_a_file_has_its_size_as_content_length() -> None:
    found = response()
    found.start(200, [])
    assert found.file(7) == (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", 7)
    assert (found.is_complete, found.is_full, found.bytes_sent, found.keep_alive) == (True, True, 7, True)


def test_content_length_bounds_it() -> None:
    found = response()
    found.start(200, [("Content-Length", "3")])
    assert found.file(7)[1] == 3


def test_a_file_too_short_can_still_be_answered_500() -> None:
    found = response()
    found.start(200, [("Content-Length", "8")])
    with pytest.raises(ResponseError, match="1 bytes shorter"):
        found.file(7)
    found.start(500, [])
    assert found.content(b"x", more=False).endswith(b"x")


@pytest.mark.parametrize("status", [204, 304])
def test_nothing_of_it_is_sent_where_there_is_no_content(status: int) -> None:
    found = response()
    found.start(status, [])
    assert found.file(7)[1] == 0


def test_head_gets_the_length_alone() -> None:
    found = response(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    found.start(200, [("Content-Length", "7")])
    before, count = found.file(7)
    assert b"content-length: 7\r\n" in before
    assert count == 0


def test_a_response_is_full_when_its_content_length_is_reached() -> None:
    found = response()
    found.start(200, [("Content-Length", "3")])
    assert not found.is_full
    found.content(b"ab", more=True)
    assert not found.is_full
    found.content(b"c", more=True)
    assert found.is_full
    assert found.content(b"", more=False) == b""
    assert found.is_complete
