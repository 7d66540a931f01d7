"""What is random in each response is no difference; that it is there, and all around it, still counts."""

from __future__ import annotations

import gzip
import re

import pytest

from hybrid.routing.compare import Answer, Comparison, compare

HTML = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")
CSP = b"content-security-policy"


def page(body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(200, (HTML, *headers), body)


def cookie(text: bytes) -> Answer:
    return Answer(200, ((b"set-cookie", text),))


def found(comparison: Comparison) -> tuple[list[str], list[str]]:
    return [difference.what for difference in comparison.differences], list(comparison.masked)


INPUT = b'<form><input type="hidden" name="csrfmiddlewaretoken" value="%b"> <input name="q" value="%b"></form>'


@pytest.mark.parametrize(
    ("real", "shadow", "masked"),
    [
        (cookie(b"csrftoken=a; Path=/"), cookie(b"csrftoken=b; Path=/"), "cookie csrftoken"),
        (cookie(b"sessionid=a; expires=1"), cookie(b"sessionid=b; expires=2"), "cookie sessionid"),
        (cookie(b"__Host-session=a"), cookie(b"__Host-session=b"), "cookie __Host-session"),
        (page(INPUT % (b"x1", b"")), page(INPUT % (b"y2", b"")), "input csrfmiddlewaretoken"),
        (page(b"<INPUT value='1' type=hidden name=csrf_token>"), page(b"<INPUT value='2' type=hidden name=csrf_token>"),
         "input csrf_token"),
        (page(b'<input type=hidden name="authenticity_token" value=1 />'),
         page(b'<input type=hidden name="authenticity_token" value=2 />'), "input authenticity_token"),
        (page(b'<meta name="csrf-token" content="1">'), page(b'<meta name="csrf-token" content="2">'),
         "meta csrf-token"),
        (page(b'<script nonce="1">x()</script>'), page(b'<script nonce="2">x()</script>'), "nonce"),
        (page(b"""<body hx-headers='{"X-CSRFToken": "1"}'>"""), page(b"""<body hx-headers='{"X-CSRFToken": "2"}'>"""),
         "body x-csrftoken"),
        (page(b"", (CSP, b"script-src 'nonce-1' 'self'")), page(b"", (CSP, b"script-src 'nonce-2' 'self'")),
         "header content-security-policy nonce"),
        (Answer(200, (JSON,), b'{"csrfToken": "1", "a": 1}'), Answer(200, (JSON,), b'{"a": 1, "csrfToken": "2"}'),
         "body $.csrfToken"),
    ],
)  # fmt: skip
def test_what_is_random_is_masked_and_named(real: Answer, shadow: Answer, masked: str) -> None:
    assert found(compare(real, shadow)) == ([], [masked])
    assert found(compare(real, real)) == ([], [])


@pytest.mark.parametrize(
    ("real", "shadow", "what"),
    [
        (cookie(b"csrftoken=a; Path=/"), cookie(b"csrftoken=b; Path=/x"), "cookie csrftoken"),
        (cookie(b"sessionid=a; HttpOnly"), cookie(b"sessionid=b"), "cookie sessionid"),
        (cookie(b"sessionid=a"), cookie(b'sessionid=""'), "cookie sessionid"),
        (cookie(b"sessionid=a"), Answer(200, ()), "cookie sessionid"),
        (cookie(b"theme=a"), cookie(b"theme=b"), "cookie theme"),
        (page(INPUT % (b"x1", b"a")), page(INPUT % (b"y2", b"b")), "body"),
        (page(INPUT % (b"x1", b"")), page(INPUT % (b"", b"")), "body"),
        (page(INPUT % (b"x1", b"")), page(b'<form> <input name="q" value=""></form>'), "body"),
        (page(b'<input type=hidden name=id value="1">'), page(b'<input type=hidden name=id value="2">'), "body"),
        (page(b'<input type=text name=csrf_token value="1">'), page(b'<input name=csrf_token value="2">'), "body"),
        (page(b'<script nonce="1">x()</script>'), page(b'<script nonce="2">y()</script>'), "body"),
        (page(b"", (CSP, b"script-src 'nonce-1'")), page(b"", (CSP, b"script-src 'nonce-1' *")),
         "header content-security-policy"),
        (Answer(200, (JSON,), b'{"csrfToken": "1"}'), Answer(200, (JSON,), b'{"csrfToken": null}'), "body $.csrfToken"),
        (Answer(200, (JSON,), b'{"token": "1"}'), Answer(200, (JSON,), b'{"token": "2"}'), "body $.token"),
    ],
)  # fmt: skip
def test_what_is_not_random_still_counts(real: Answer, shadow: Answer, what: str) -> None:
    assert found(compare(real, shadow))[0] == [what]


def test_a_tag_made_of_a_masked_body_is_masked_too_and_no_other() -> None:
    one, other = (b"etag", b'"1"'), (b"etag", b'"2"')
    assert found(compare(page(INPUT % (b"x", b""), one), page(INPUT % (b"y", b""), other))) == (
        [],
        ["input csrfmiddlewaretoken", "header etag"],
    )
    assert found(compare(page(b"same", one), page(b"same", other))) == (["header etag"], [])
    assert found(compare(page(INPUT % (b"x", b""), one), page(INPUT % (b"y", b""))))[0] == ["header etag"]


def test_what_matches_a_pattern_is_left_out() -> None:
    patterns = [re.compile(rb"build=\d+")]
    text = (b"content-type", b"text/plain")
    real, shadow = Answer(200, (text,), b"a build=1 b"), Answer(200, (text,), b"a build=22 b")
    assert found(compare(real, shadow, (), patterns)) == ([], [r"pattern build=\d+"])
    assert found(compare(real, Answer(200, (text,), b"a build=22 c"), (), patterns))[0] == ["body"]


@pytest.mark.parametrize("encoding", [b"gzip", b"x-gzip"])
def test_compressed_pages_are_compared_as_what_they_were(encoding: bytes) -> None:
    field = (b"content-encoding", encoding)
    real, shadow = (page(gzip.compress(INPUT % (token, b"")), field) for token in (b"x1", b"y2"))
    assert found(compare(real, shadow)) == ([], ["input csrfmiddlewaretoken"])
    other = page(gzip.compress(INPUT % (b"x1", b"other")), field)
    assert found(compare(real, other))[0] == ["body"]
    plain = page(INPUT % (b"x1", b""))
    assert found(compare(real, plain))[0] == ["header content-encoding"]
    damaged = page(real.body[:-9] + b"x" * 9, field)
    assert found(compare(real, damaged))[0] == ["body"]


def test_a_small_body_that_would_be_huge_is_compared_as_it_is() -> None:
    field = (b"content-encoding", b"gzip")
    real, shadow = (page(gzip.compress(bytes(10_000_000) + end), field) for end in (b"1", b"2"))
    assert found(compare(real, shadow))[0] == ["body"]
    assert found(compare(real, real)) == ([], [])


def test_of_the_beginning_of_a_long_page_digests_say_nothing_when_a_token_is_in_it() -> None:
    def cut(token: bytes, length: int = 100_000, rest: bytes = b"<p>") -> Answer:
        return Answer(200, (HTML,), INPUT % (token, b"") + rest, is_whole=False, length=length, digest=token)

    assert found(compare(cut(b"x1"), cut(b"y2"))) == ([], ["input csrfmiddlewaretoken"])
    assert found(compare(cut(b"x1"), cut(b"y2", 100_001)))[0] == ["body"]
    assert found(compare(cut(b"x1"), cut(b"y2", rest=b"<b>a</b> <p>")))[0] == ["body"]
    half = b'<input type="hidden" name="csrf_token" value="'
    assert found(compare(cut(b"x1", rest=half + b"a"), cut(b"y2", rest=half + b"b")))[0] == []


def test_tags_without_an_end_cost_no_more_than_their_length() -> None:
    body = b"<input " * 30_000
    assert found(compare(page(body), page(body + b"x")))[0] == ["body"]
