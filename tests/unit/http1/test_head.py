"""HeadParser: what a head means, whichever back end splits it. The wire cases are in tests/conformance."""

from __future__ import annotations

import pytest

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.request import CHUNKED, Request
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import _LINES, HeadParser
from hybrid.settings import Settings


@pytest.fixture(params=[HttptoolsFields, H11Fields])
def parser(request: pytest.FixtureRequest) -> HeadParser:
    return HeadParser(request.param(), Limits(fields=4, body=100))


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join([start, *([host] if host else []), *lines, b"", b""])


def refused(parser: HeadParser, data: bytes) -> int:
    with pytest.raises(ProtocolError) as caught:
        parser.parse(data)
    return caught.value.status


def test_names_are_lower_case_and_values_without_white_space(parser: HeadParser) -> None:
    request = parser.parse(head(b"X-Thing: \t a b \t", b"x-thing:", b"Accept:*/*"))
    assert request.headers == [(b"host", b"a"), (b"x-thing", b"a b"), (b"x-thing", b""), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        ((), False),
        ((b"TE: trailers",), True),
        ((b"te: deflate;q=0.5 ,\tTrailers",), True),
        ((b"TE: gzip", b"TE: trailers"), True),
        ((b"TE: xtrailers",), False),
        ((b"TE:",), False),
    ],
)
def test_whether_the_client_takes_trailers(parser: HeadParser, lines: tuple[bytes, ...], wants: bool) -> None:
    assert parser.parse(head(*lines)).wants_trailers is wants
    assert not parser.parse(head(b"X: trailers")).wants_trailers


@pytest.mark.parametrize("line", [b" ", b"\t", b" \t ", b"  X: y", b"X : y \t", b"X \t"])
def test_a_line_of_white_space_or_behind_it_is_no_end_and_no_field(parser: HeadParser, line: bytes) -> None:
    assert refused(parser, head(b"A: b \t", line, b"C: d")) == 400


def test_the_authority_of_an_absolute_target_replaces_host(parser: HeadParser) -> None:
    request = parser.parse(head(b"X: y", start=b"GET http://b:81/p?q HTTP/1.1"))
    assert (request.host, request.path, request.query) == (b"b:81", b"/p", b"q")
    assert request.headers == [(b"host", b"b:81"), (b"x", b"y")]


def test_the_authority_of_an_absolute_target_becomes_host_in_http_1_0(parser: HeadParser) -> None:
    request = parser.parse(head(b"X: y", start=b"GET http://b/ HTTP/1.0", host=b""))
    assert request.headers == [(b"host", b"b"), (b"x", b"y")]


def test_options_with_an_authority_alone_is_about_the_server(parser: HeadParser) -> None:
    assert parser.parse(head(start=b"OPTIONS http://a:80 HTTP/1.1")).path == b"*"
    assert parser.parse(head(start=b"OPTIONS http://a:80/ HTTP/1.1")).path == b"/"
    assert parser.parse(head(start=b"OPTIONS http://a?x HTTP/1.1")).path == b"/"


@pytest.mark.parametrize(
    "host", [b"a:65536", b"a:123456", b":80", b"a b", b"a@b", b"[::1", b"[:::]", b"a/b", b"a\xff", b"[1.2.3.4]"]
)
def test_an_invalid_host_is_refused(parser: HeadParser, host: bytes) -> None:
    assert refused(parser, head(host=b"Host: " + host)) == 400


@pytest.mark.parametrize(
    "host", [b"", b"a", b"a:", b"a:65535", b"[::1]:80", b"127.0.0.1", b"a%20b", b"x_y.example", b"[::ffff:1.2.3.4]"]
)
def test_a_valid_host_is_kept(parser: HeadParser, host: bytes) -> None:
    assert parser.parse(head(host=b"Host: " + host)).host == host


def test_fields_with_an_underscore_are_kept_apart_and_counted(parser: HeadParser) -> None:
    request = parser.parse(head(b"A_B: c", b"Content_Length: 7"))
    assert request.headers == [(b"host", b"a")]
    assert request.underscored == [(b"a_b", b"c"), (b"content_length", b"7")]
    assert request.content_length == 0
    assert refused(parser, head(b"A_B: c", b"A_B: c", b"A_B: c", b"A_B: c")) == 431


def test_a_long_field_with_an_underscore_is_refused_too(parser: HeadParser) -> None:
    assert refused(parser, head(b"A_B: " + b"c" * 8190)) == 431


def test_the_field_limit_counts_every_field(parser: HeadParser) -> None:
    assert len(parser.parse(head(b"a: 1", b"b: 2", b"c: 3")).headers) == 4
    assert refused(parser, head(b"a: 1", b"b: 2", b"c: 3", b"d: 4")) == 431


def test_a_request_line_seen_before_reads_the_same(parser: HeadParser) -> None:
    for _ in range(3):
        for start, expected in (
            (b"GET /again HTTP/1.1", ("GET", b"/again", b"/again", b"", 1)),
            (b"GET /again HTTP/1.0", ("GET", b"/again", b"/again", b"", 0)),
            (b"FROB /again HTTP/1.1", ("FROB", b"/again", b"/again", b"", 1)),
            (b"GET /again? HTTP/1.1", ("GET", b"/again?", b"/again", b"", 1)),
            (b"GET /again?x HTTP/1.1", ("GET", b"/again?x", b"/again", b"x", 1)),
        ):
            request = parser.parse(head(start=start, host=b"Host: b"))
            assert (request.method, request.target, request.path, request.query, request.version) == expected
            assert request.keep_alive is (expected[4] == 1)
            assert request.host == b"b"
        assert refused(parser, head(start=b"GET /aga in HTTP/1.1")) == 400
        assert refused(parser, head(start=b"GET /again HTTP/2.1")) == 505


def test_the_memory_of_request_lines_is_bounded(parser: HeadParser) -> None:
    for number in range(1000):
        parser.parse(head(start=b"GET /%d HTTP/1.1" % number))
    assert len(_LINES) <= 256


def test_a_broken_limit_outranks_what_else_is_wrong(parser: HeadParser) -> None:
    """Or the status would depend on the order in which a back end finds things."""
    many = [b"a: 1", b"b: 2", b"c: 3", b"d: 4"]
    assert refused(parser, head(b"Host: b", *many)) == 431
    assert refused(parser, head(b"Content-Length: x", *many)) == 431
    assert refused(parser, head(b"Content-Length: 1", b"Transfer-Encoding: chunked", *many)) == 431
    assert refused(parser, head(b"a b: c", b"X: " + b"y" * 8190)) == 431
    assert refused(parser, head(b"a b: c")) == 400


def persistence(parser: HeadParser, version: bytes, *values: bytes) -> bool:
    lines = [b"Connection: " + value for value in values]
    return parser.parse(head(*lines, start=b"GET / HTTP/" + version)).keep_alive


def test_persistence_by_version_and_connection_options(parser: HeadParser) -> None:
    assert persistence(parser, b"1.1")
    assert persistence(parser, b"1.1", b"keep-alive")
    assert not persistence(parser, b"1.1", b"Close")
    assert not persistence(parser, b"1.1", b"keep-alive, close")
    assert not persistence(parser, b"1.1", b"keep-alive", b"close")
    assert persistence(parser, b"1.1", b"closed")
    assert not persistence(parser, b"1.0")
    assert persistence(parser, b"1.0", b"keep-alive")
    assert persistence(parser, b"1.0", b"Keep-Alive")
    assert persistence(parser, b"1.0", b"x, KEEP-ALIVE")
    assert not persistence(parser, b"1.0", b"keep-alive", b"close")


def test_upgrade_needs_the_connection_option_and_http_1_1(parser: HeadParser) -> None:
    def upgrade(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
        return parser.parse(head(*lines, start=start)).upgrade

    assert upgrade(b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket") == b"websocket"
    assert upgrade(b"Connection: keep-alive", b"Connection: Upgrade", b"Upgrade: h2c") == b"h2c"
    assert upgrade(b"Upgrade: websocket") == b""
    assert upgrade(b"Connection: upgrade") == b""
    assert upgrade(b"Connection: upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.0") == b""


def test_expectations(parser: HeadParser) -> None:
    def expects(*lines: bytes, start: bytes = b"POST / HTTP/1.1") -> Request:
        return parser.parse(head(b"Content-Length: 3", *lines, start=start))

    assert expects(b"Expect: 100-Continue").expects_continue
    assert expects(b"Expect: 100-continue, 100-continue").expects_continue
    assert not expects(b"Expect:").expects_continue
    assert not expects(b"Expect: 100-continue", start=b"POST / HTTP/1.0").expects_continue
    assert not parser.parse(head(b"Expect: 100-continue")).expects_continue
    assert refused(parser, head(b"Expect: tea")) == 417
    assert refused(parser, head(b"Expect: 100-continue, tea")) == 417


def test_framing(parser: HeadParser) -> None:
    assert parser.parse(head(b"Transfer-Encoding: chunked")).content_length == CHUNKED
    assert parser.parse(head(b"Transfer-Encoding: CHUNKED")).content_length == CHUNKED
    assert parser.parse(head(b"Content-Length: 007")).content_length == 7
    assert refused(parser, head(b"Content-Length: 101")) == 413
    assert refused(parser, head(b"Transfer-Encoding: gzip, chunked")) == 501
    assert refused(parser, head(b"Transfer-Encoding: chunked, gzip")) == 400
    assert refused(parser, head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")) == 400
    assert refused(parser, head(b"Transfer-Encoding: chunked", b"Content-Length: 3")) == 400
    assert refused(parser, head(b"Content-Length: 3", b"Content-Length: 3")) == 400
    assert refused(parser, head(b"Content-Length: 9223372036854775808")) == 400


def test_errors_name_the_rule(parser: HeadParser) -> None:
    with pytest.raises(ProtocolError) as caught:
        parser.parse(head(host=b""))
    assert (caught.value.reason, caught.value.rfc) == ("no Host header field", "RFC 9112 section 3.2")


@pytest.mark.parametrize(
    "line",
    [
        *(b"X: 1", b"Content-Length: 2", b"Connection: close", b"Expect: 100-continue", b"Upgrade: x"),
        *(b"X_Y: 1", b"X-Request-ID: 7", b"Transfer-Encoding: chunked", b"X-Forwarded-For: 192.0.2.1"),
    ],
)
def test_a_head_says_the_same_every_time_and_leaves_nothing_to_the_next(parser: HeadParser, line: bytes) -> None:
    def facts(data: bytes) -> dict[str, object]:
        request = parser.parse(data)
        return {name: getattr(request, name) for name in Request.__slots__ if hasattr(request, name)}

    plain = facts(head())
    said = [facts(head(line)) for _ in range(3)]
    assert said == [said[0]] * 3
    assert facts(head()) == plain


def test_what_is_refused_is_refused_every_time(parser: HeadParser) -> None:
    assert [refused(parser, head(b"a:b", b"a:b", b"a:b", b"a:b")) for _ in range(3)] == [431] * 3
    assert [refused(parser, head(b"no field")) for _ in range(3)] == [400] * 3
    assert [refused(parser, head(host=b"Host: a/b")) for _ in range(3)] == [400] * 3
    assert [refused(parser, head(host=b"")) for _ in range(3)] == [400] * 3


def test_no_limit_and_one_beyond_all_numbers_are_as_much_as_64_bits_hold() -> None:
    for number in (0, 1 << 63, 1 << 70):
        names = ("limit_request_line", "limit_request_fields", "limit_request_field_size", "limit_request_head")
        limits = Limits.from_settings(Settings(**dict.fromkeys(names, number)))
        request = HeadParser(HttptoolsFields(), limits).parse(b"GET / HTTP/1.1\r\nHost: " + b"a" * 100 + b"\r\n\r\n")
        assert request.path == b"/"
