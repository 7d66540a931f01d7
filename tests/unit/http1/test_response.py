"""Response: framing, and nothing on the wire that the application could forge."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from hybrid.http.request import Request
from hybrid.http1.interim import early_hints
from hybrid.http1.response import _LINES, Prefixes, Response, ResponseError, header_line, http_date, status_line

PREFIXES = Prefixes()
PREFIXES.refresh(0)
DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT"


def request(method: str = "GET", *, version: int = 1, keep_alive: bool = True, wants_trailers: bool = False) -> Request:
    made = Request()
    made.method, made.version, made.keep_alive = method, version, keep_alive
    made.headers = [(b"host", b"a")]
    made.wants_trailers = wants_trailers
    return made


def answer(
    status: int | str = 200,
    headers: object = (),
    *contents: bytes,
    to: Request | None = None,
    ends: bool = True,
) -> tuple[Response, bytes, list[bytes], bytes]:
    """(response, status line, field lines, what follows the head)."""
    response = Response(to or request(), PREFIXES)
    response.start(status, headers)  # type: ignore[arg-type]
    wire = b"".join(
        response.content(content, more=index + 1 < len(contents) or not ends)
        for index, content in enumerate(contents or (b"",))
    )
    head, _, body = wire.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    return response, line, lines, body


def test_a_plain_response_has_date_server_and_length() -> None:
    response, line, lines, body = answer(200, [(b"Content-Type", b"text/plain")], b"hello")
    assert line == b"HTTP/1.1 200 OK"
    assert lines == [DATE, b"server: hybrid", b"Content-Type: text/plain", b"content-length: 5"]
    assert body == b"hello"
    assert (response.is_complete, response.keep_alive, response.bytes_sent) == (True, True, 5)


def test_the_head_is_held_until_content() -> None:
    response = Response(request(), PREFIXES)
    response.start(200, [])
    assert not response.head_sent
    response.start(500, [])  # may still be chosen again
    assert response.content(b"", more=True).startswith(b"HTTP/1.1 500 ")
    with pytest.raises(ResponseError, match="already started"):
        response.start(200, [])


def test_content_in_parts_without_a_length_is_chunked_in_http_1_1() -> None:
    response, _, lines, body = answer(200, [], b"hello", b"", b" world", b"")
    assert b"transfer-encoding: chunked" in lines
    assert body == b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    assert response.keep_alive


def test_content_in_parts_without_a_length_ends_the_connection_in_http_1_0() -> None:
    response, _, lines, body = answer(200, [], b"hello", b" world", to=request(version=0))
    assert lines == [DATE, b"server: hybrid", b"connection: close"]
    assert body == b"hello world"
    assert not response.keep_alive


def test_http_1_0_keeps_the_connection_where_the_length_is_known() -> None:
    response, _, lines, _ = answer(200, [], b"hello", to=request(version=0))
    assert lines[-2:] == [b"content-length: 5", b"connection: keep-alive"]
    assert response.keep_alive


def test_a_client_that_wants_to_close_is_told_so() -> None:
    _, _, lines, _ = answer(200, [], b"x", to=request(keep_alive=False))
    assert lines[-1] == b"connection: close"


@pytest.mark.parametrize("more", [False, True])
def test_head_gets_the_length_and_no_content(more: bool) -> None:
    parts = (b"hello", b"!") if more else (b"hello",)
    response, _, lines, body = answer(200, [(b"content-length", b"6" if more else b"5")], *parts, to=request("HEAD"))
    assert lines[-1] == (b"content-length: 6" if more else b"content-length: 5")
    assert body == b""
    assert response.is_complete
    assert response.keep_alive
    assert response.bytes_sent == 0


def test_head_without_a_length_has_no_chunk_terminator() -> None:
    _, _, lines, body = answer(200, [], b"a", b"b", to=request("HEAD"))
    assert (lines, body) == ([DATE, b"server: hybrid"], b"")


def test_head_of_content_given_at_once_gets_its_length() -> None:
    assert answer(200, [], b"hello", to=request("HEAD"))[2][-1] == b"content-length: 5"


def test_204_has_neither_length_nor_content() -> None:
    response, _, lines, body = answer(204, [(b"content-length", b"5")], b"hello")
    assert (lines, body) == ([DATE, b"server: hybrid"], b"")
    assert response.keep_alive


def test_304_keeps_its_length_and_has_no_content() -> None:
    _, _, lines, body = answer(304, [(b"content-length", b"5"), (b"etag", b'"x"')], b"hello")
    assert (lines, body) == ([DATE, b"server: hybrid", b'etag: "x"', b"content-length: 5"], b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_205_says_that_it_is_empty(method: str) -> None:
    _, _, lines, body = answer(205, [(b"content-length", b"5")], b"hello", to=request(method))
    assert (lines, body) == ([DATE, b"server: hybrid", b"content-length: 0"], b"")


@pytest.mark.parametrize(
    "status",
    [
        100,
        101,
        103,
        "199 x",
        99,
        1000,
        0,
        -1,
        "",
        "20",
        "2000",
        "abc",
        "200OK",
        "200 a\r\nb",
        "200 \x00",
        "٢٠٠ x",
        "099 x",
        None,
        b"200 OK",
        20.5,
    ],
)
def test_a_status_that_is_none_or_not_final_is_refused(status: object) -> None:
    with pytest.raises(ResponseError, match="status"):
        Response(request(), PREFIXES).start(status, [])  # type: ignore[arg-type]


def test_status_lines() -> None:
    assert status_line(200) == b"HTTP/1.1 200 OK\r\n"
    assert status_line("200 Fine") == b"HTTP/1.1 200 Fine\r\n"
    assert status_line("404") == b"HTTP/1.1 404 \r\n"
    assert status_line(799) == b"HTTP/1.1 799 \r\n"
    assert status_line("418 caf\xe9") == b"HTTP/1.1 418 caf\xe9\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nSet-Cookie: b"), (b"x", b"a\n"), (b"x", b"a\rb"), (b"x", b"\x00"), (b"x", b"\x7f"),
        (b"x", b"\x1b"), (b"x\r\ny", b"a"), (b"x:", b"a"), (b"x ", b"a"), (b"", b"a"), (b"\xe9", b"a"),
        ("x", "a\r\nb"), ("x\n", "b"), ("x", "\u20ac"), ("\u20ac", "x"), (b"x", 1), (1, b"x"), (b"x", None),
        (b"x", bytearray(b"a\r\n")), (b"x",), (b"x", b"a", b"b"), None, 7,
        (b"content-length", b"-1"), (b"content-length", b"1_0"), (b"content-length", b""),
        (b"content-length", b"9" * 19),
        (b"date", b"a\r\nb"), (b"connection", b"close\r\nx: y"), (b"transfer-encoding", b"a\nb"),
    ],
)  # fmt: skip
def test_a_header_that_could_forge_another_is_refused_and_nothing_was_sent(header: object) -> None:
    response = Response(request(), PREFIXES)
    response.start(200, [(b"content-type", b"text/plain"), header])  # type: ignore[list-item]
    with pytest.raises(ResponseError):
        response.content(b"hello", more=False)
    assert not response.head_sent
    response.start(500, [])
    assert response.content(b"", more=False).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


def test_a_refused_header_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(ResponseError):
            answer(200, [(b"x", b"a\nb")], b"")


@pytest.mark.parametrize("value", [b"", b"a", b" padded ", b"tab\there", b"caf\xe9", b'"quoted"'])
def test_any_other_value_goes_out_as_given(value: bytes) -> None:
    assert b"X-Thing: " + value in answer(200, [(b"X-Thing", value)], b"")[2]


def test_headers_may_be_str_bytes_lists_or_a_generator() -> None:
    pairs = (pair for pair in [("A", "1"), (b"B", b"2"), ["C", "3"], [b"d", "4"]])
    assert answer(200, pairs, b"")[2][2:6] == [b"A: 1", b"B: 2", b"C: 3", b"d: 4"]


def test_repeated_headers_are_all_sent() -> None:
    lines = answer(200, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], b"")[2]
    assert lines[2:4] == [b"set-cookie: a=1", b"set-cookie: b=2"]


def test_date_and_server_of_the_application_win() -> None:
    assert answer(200, [(b"Date", b"now"), (b"server", b"mine")], b"")[2] == [
        b"Date: now",
        b"server: mine",
        b"content-length: 0",
    ]
    assert answer(200, [(b"DATE", b"now")], b"")[2][:2] == [b"server: hybrid", b"DATE: now"]
    assert answer(200, [(b"Server", b"mine")], b"")[2][:2] == [DATE, b"Server: mine"]


def test_date_and_server_can_be_left_out() -> None:
    for prefixes, expected in (
        (Prefixes(server=None, date=False), b""),
        (Prefixes(server=b"x", date=False), b"server: x\r\n"),
    ):
        assert prefixes.of(200) == b"HTTP/1.1 200 OK\r\n" + expected
        assert prefixes.yielding(prefixes.of(200), header_line("Date", "x")[1]) == prefixes.of(200)
        assert prefixes.yielding(prefixes.of(200), header_line("Server", "x")[1]) == b"HTTP/1.1 200 OK\r\n"


def test_framing_and_hop_by_hop_fields_of_the_application_are_not_sent() -> None:
    headers = [
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"keep-alive, x"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"close"),
        (b"TE", b"trailers"),
    ]
    response, _, lines, body = answer(200, headers, b"hello")
    assert (lines, body) == ([DATE, b"server: hybrid", b"content-length: 5"], b"hello")
    assert response.keep_alive


@pytest.mark.parametrize(
    ("value", "closes"), [(b"close", True), (b"x, Close", True), (b"closed", False), (b"disclose", False)]
)
def test_close_of_the_application_closes(value: bytes, closes: bool) -> None:
    response, _, lines, _ = answer(200, [(b"Connection", value)], b"x")
    assert (lines[-1] == b"connection: close") is closes
    assert response.keep_alive is not closes


def test_an_upgrade_that_the_application_asks_for_keeps_its_connection_option() -> None:
    lines = answer(426, [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade, close")], b"")[2]
    assert lines[2:] == [b"Upgrade: websocket", b"connection: upgrade", b"content-length: 0", b"connection: close"]


def test_a_length_given_once_or_twice_alike() -> None:
    assert answer(200, [(b"Content-Length", b"5"), ("content-length", "5")], b"hello")[2][-1] == b"content-length: 5"
    with pytest.raises(ResponseError, match="two different"):
        answer(200, [(b"content-length", b"5"), (b"content-length", b"6")], b"hello")


def test_content_in_parts_with_a_length() -> None:
    _, _, lines, body = answer(200, [(b"content-length", b"5")], b"he", b"llo", b"")
    assert (lines[-1], body) == (b"content-length: 5", b"hello")


@pytest.mark.parametrize("content", [b"hell", b"hello!"])
def test_a_wrong_length_found_before_the_head_is_out_can_be_answered_500(content: bytes) -> None:
    response = Response(request(), PREFIXES)
    response.start(200, [(b"content-length", b"5")])
    with pytest.raises(ResponseError, match=r"1 bytes (longer|shorter) than its Content-Length"):
        response.content(content, more=False)
    assert not response.head_sent
    response.start(500, [])
    assert response.content(b"a", more=True).endswith(b"\r\n\r\n1\r\na\r\n")
    assert response.content(b"b", more=False) == b"1\r\nb\r\n0\r\n\r\n"


def test_more_content_than_the_length_is_not_sent() -> None:
    response = Response(request(), PREFIXES)
    response.start(200, [(b"content-length", b"5")])
    response.content(b"hel", more=True)
    with pytest.raises(ResponseError, match="1 bytes longer"):
        response.content(b"lo!", more=True)
    assert response.head_sent
    assert not response.keep_alive
    assert not response.is_complete


def test_less_content_than_the_length_is_an_error_at_the_end() -> None:
    response = Response(request(), PREFIXES)
    response.start(200, [(b"content-length", b"5")])
    response.content(b"hel", more=True)
    with pytest.raises(ResponseError, match="1 bytes shorter"):
        response.content(b"l", more=False)
    assert not response.keep_alive


def test_content_after_the_end_is_an_error() -> None:
    response, *_ = answer(200, [], b"hello")
    with pytest.raises(ResponseError, match="already ended"):
        response.content(b"more", more=False)


def test_large_content_is_not_copied() -> None:
    large = b"x" * 100_000
    response = Response(request(), PREFIXES)
    response.start(200, [])
    before, content, after = response.frame(large, more=True)
    assert content is large
    assert before.endswith(b"\r\n\r\n186a0\r\n")
    assert after == b"\r\n"
    assert response.frame(large, more=False) == (b"186a0\r\n", large, b"\r\n0\r\n\r\n")


def test_trailers_go_to_a_client_that_wants_them() -> None:
    response = Response(request(wants_trailers=True), PREFIXES)
    response.start(200, [(b"trailer", b"x-sum")])
    assert response.content(b"hello", more=True).endswith(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert response.trailers([(b"X-Sum", b"1"), ("x-more", "2")]) == b"0\r\nX-Sum: 1\r\nx-more: 2\r\n\r\n"
    assert response.is_complete


@pytest.mark.parametrize(
    ("to", "headers", "end"),
    [
        (request(), [], b"0\r\n\r\n"),
        (request(wants_trailers=True, version=0), [], b""),
        (request(wants_trailers=True), [(b"content-length", b"5")], b""),
        (request("HEAD", wants_trailers=True), [], b""),
    ],
)
def test_trailers_are_dropped_where_there_is_no_room(
    to: Request, headers: list[tuple[bytes, bytes]], end: bytes
) -> None:
    response = Response(to, PREFIXES)
    response.start(200, headers)
    response.content(b"hello", more=True)
    assert response.trailers([(b"x", b"y")]) == end
    assert response.is_complete


@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"Set-Cookie", b"Trailer", b"x\r\ny"])
def test_a_trailer_that_may_not_be_one_is_refused_and_others_can_follow(name: bytes) -> None:
    response = Response(request(wants_trailers=True), PREFIXES)
    response.start(200, [])
    response.content(b"hello", more=True)
    with pytest.raises(ResponseError):
        response.trailers([(name, b"1")])
    assert response.trailers([]) == b"0\r\n\r\n"


def test_trailers_after_too_little_content_are_an_error() -> None:
    response = Response(request(wants_trailers=True), PREFIXES)
    response.start(200, [(b"content-length", b"6")])
    response.content(b"hello", more=True)
    with pytest.raises(ResponseError, match="1 bytes shorter"):
        response.trailers([])


def test_early_hints() -> None:
    links = [(b"link", b"</a.css>; rel=preload"), ("Link", "</b.js>; rel=preload")]
    assert early_hints(request(), links) == (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n"
    )
    assert early_hints(request(version=0), links) == b""
    assert early_hints(request(), []) == b""


@pytest.mark.parametrize(
    "header",
    [(b"link", b"a\r\nb"), (b"Content-Length", b"5"), (b"connection", b"close"), (b"Transfer-Encoding", b"chunked")],
)
def test_early_hints_that_would_break_the_response_are_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ResponseError):
        early_hints(request(), [header])


def test_the_memory_of_lines_is_bounded_and_begins_anew() -> None:
    for number in range(5000):
        answer(200, [(b"x-unique", b"%d" % number)], b"")
    assert len(_LINES) <= 1024
    answer(200, [(b"x-usual", b"a")], b"")
    assert (b"x-usual", b"a") in _LINES


def test_the_date_is_rendered_by_refresh() -> None:
    prefixes = Prefixes()
    prefixes.refresh(86400)
    assert b"date: Fri, 02 Jan 1970 00:00:00 GMT\r\n" in prefixes.of(200)
    prefixes.refresh(86401)
    assert b"date: Fri, 02 Jan 1970 00:00:01 GMT\r\n" in prefixes.of(200)


def test_content_beyond_its_length_still_ends_where_the_head_said() -> None:
    """The client counts; so a closed connection is enough, and a reset could take away what it has not read."""
    response = Response(request(), PREFIXES)
    response.start(200, [(b"content-length", b"3")])
    response.content(b"abc", more=True)
    with pytest.raises(ResponseError, match="1 bytes longer"):
        response.content(b"d", more=True)
    assert response.is_self_delimiting
    assert not response.is_complete


@pytest.mark.parametrize("epoch_s", [0, 784111777, 1709164799, 1709164800.9, 4102444799])
def test_date_is_that_of_the_standard_library(epoch_s: float) -> None:
    assert http_date(epoch_s) == formatdate(epoch_s, usegmt=True)
