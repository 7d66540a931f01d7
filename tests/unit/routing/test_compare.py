"""Differences between two responses: all that are planted are found, and none where there is none."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from hybrid.routing.compare import MOST_BODY, MOST_DIFFERENCES, Answer, Difference, compare

JSON = (b"content-type", b"application/json")
HTML = (b"content-type", b"text/html; charset=utf-8")
TEXT = (b"content-type", b"text/plain")


def answer(body: bytes = b"", *headers: tuple[bytes, bytes], status: int = 200) -> Answer:
    return Answer(status, headers, body)


def names(real: Answer, shadow: Answer, *ignored: bytes) -> list[str]:
    return [difference.what for difference in compare(real, shadow, ignored).differences]


def differences(real: Answer, shadow: Answer) -> tuple[Difference, ...]:
    return compare(real, shadow).differences


BASE = answer(b'{"a": 1.5}', JSON, (b"x-frame-options", b"DENY"), (b"set-cookie", b"sid=1; Path=/; HttpOnly"))


@pytest.mark.parametrize(
    ("shadow", "what"),
    [
        (replace(BASE, status=404), ["status"]),
        (replace(BASE, status=301), ["status"]),
        (replace(BASE, status=201), ["status"]),
        (replace(BASE, headers=[h for h in BASE.headers if h[0] != b"x-frame-options"]), ["header x-frame-options"]),
        (replace(BASE, headers=[*BASE.headers, (b"x-new", b"1")]), ["header x-new"]),
        (replace(BASE, headers=[*BASE.headers, (b"x-frame-options", b"DENY")]), ["header x-frame-options"]),
        (replace(BASE, headers=[*BASE.headers[:2], (b"set-cookie", b"sid=2; Path=/; HttpOnly")]), ["cookie sid"]),
        (replace(BASE, headers=[*BASE.headers[:2], (b"set-cookie", b"sid=1; Path=/")]), ["cookie sid"]),
        (replace(BASE, headers=[*BASE.headers, (b"set-cookie", b"new=1")]), ["cookie new"]),
        (replace(BASE, body=b'{"a": 1.5000001}'), ["body $.a"]),
        (replace(BASE, body=b'{"a": "1.5"}'), ["body $.a"]),
        (replace(BASE, body=b'{"a": 1.5, "b": null}'), ["body $.b"]),
        (replace(BASE, body=b"{}"), ["body $.a"]),
        (replace(BASE, body=b"[]"), ["body $"]),
        (replace(BASE, body=b"oops"), ["body"]),
        (replace(BASE, body=b""), ["body"]),
    ],
)
def test_planted_difference_is_found(shadow: Answer, what: list[str]) -> None:
    assert names(BASE, shadow) == what


@pytest.mark.parametrize(
    ("real", "shadow"),
    [
        (BASE, BASE),
        (answer(b'{"a": 1, "b": [2]}', JSON), answer(b'{ "b":[2],"a":1 }', JSON)),
        (answer(b"{}", JSON), answer(b"{ }", (b"content-type", b"application/json"), (b"content-length", b"3"))),
        (answer(b"", (b"date", b"now"), (b"server", b"a")), answer(b"", (b"date", b"then"), (b"connection", b"close"))),
        (answer(b"", (b"vary", b"Cookie, Accept")), answer(b"", (b"vary", b"accept"), (b"vary", b"cookie"))),
        (answer(b"", (b"a", b"1"), (b"b", b"2")), answer(b"", (b"b", b"2"), (b"a", b"1"))),
        (answer(b"", (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
         answer(b"", (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1"))),
        (answer(b"", (b"set-cookie", b"a=1; expires=Thu, 01 Jan; max-age=9")),
         answer(b"", (b"set-cookie", b"a=1; Max-Age=9; Expires=Fri, 02 Jan"))),
        (answer(b"", (b"content-type", b"text/html;charset=UTF-8")), answer(b"", HTML)),
        (answer(b"<p>a\n  b</p>\n<p>", HTML), answer(b"<p>a b</p><p>", HTML)),
        (answer(b"<br />", HTML), answer(b"<br/>\n", HTML)),
        (answer(b'{"a": NaN}', JSON), answer(b'{"a":NaN}', JSON)),
    ],
)  # fmt: skip
def test_no_difference_where_there_is_none(real: Answer, shadow: Answer) -> None:
    assert differences(real, shadow) == ()


@pytest.mark.parametrize(
    ("real", "shadow"),
    [
        (b"<p>a b</p>", b"<p>ab</p>"),
        (b"<pre>a\n b</pre>", b"<pre>a b</pre>"),
        (b"<textarea>a  b</textarea>", b"<textarea>a b</textarea>"),
        (b"<p>a</p>", b"<P>a</P>"),
        (b"<a href=x>", b"<a href=y>"),
    ],
)
def test_html_that_looks_different_is_different(real: bytes, shadow: bytes) -> None:
    assert names(answer(real, HTML), answer(shadow, HTML)) == ["body"]


def test_white_space_counts_where_it_is_not_known_to_mean_nothing() -> None:
    assert names(answer(b"a b", TEXT), answer(b"a  b", TEXT)) == ["body"]
    gzip = (b"content-encoding", b"gzip")
    assert names(answer(b"{ }", JSON, gzip), answer(b"{}", JSON, gzip)) == ["body"]


def test_named_fields_and_cookies_are_ignored() -> None:
    shadow = replace(BASE, headers=[JSON, (b"set-cookie", b"sid=2")])
    assert names(BASE, shadow) == ["header x-frame-options", "cookie sid"]
    assert names(BASE, shadow, b"x-frame-options", b"cookie:sid") == []
    assert names(BASE, shadow, b"x-frame-options", b"set-cookie") == []


def test_difference_shows_both_sides_and_where() -> None:
    (difference,) = differences(answer(b"x" * 1000 + b"one", TEXT), answer(b"x" * 1000 + b"two!", TEXT))
    assert str(difference) == "body: byte 1000 of 1003: b'xxxxxxxxxxone' | byte 1000 of 1004: b'xxxxxxxxxxtwo!'"
    (difference,) = differences(answer(b"", (b"a", b"1")), answer(b""))
    assert str(difference) == "header a: 1 | (none)"


def test_bodies_that_were_cut_off_are_compared_as_far_as_they_go() -> None:
    cut = Answer(200, [TEXT], b"abc", is_whole=False)
    assert differences(cut, answer(b"abcdef", TEXT)) == ()
    assert names(cut, answer(b"abXdef", TEXT)) == ["body"]


# -- bounds ----------------------------------------------------------------------------------------


def test_differences_are_cut_off() -> None:
    real, shadow = ({str(number): value for number in range(1000)} for value in (1, 2))
    found = differences(answer(json.dumps(real).encode(), JSON), answer(json.dumps(shadow).encode(), JSON))
    assert len(found) == MOST_DIFFERENCES
    long = answer(b"", (b"a", b"x" * 10_000)), answer(b"", (b"a", b"y" * 10_000))
    assert len(str(differences(*long)[0])) < 300


def test_large_bodies_are_compared_by_their_bytes() -> None:
    large = b" " * MOST_BODY
    assert names(answer(b"{}" + large, JSON), answer(b"{ }" + large, JSON)) == ["body"]


@pytest.mark.parametrize("nested", [b"[" * 5000 + b"]" * 5000, b'{"a":' * 90 + b"1" + b"}" * 90])
def test_deep_nesting_ends_in_a_difference_and_not_in_an_error(nested: bytes) -> None:
    assert len(differences(answer(nested, JSON), answer(nested + b" ", JSON))) <= 1


def test_unclosed_verbatim_elements_cost_no_more_than_their_length() -> None:
    """The time-out of the test is what this needs to pass."""
    assert names(answer(b"<pre>" * 40_000, HTML), answer(b"<pre>" * 39_999, HTML)) == ["body"]


# -- random ----------------------------------------------------------------------------------------


def test_shuffled_json_is_equal_and_each_changed_number_is_found() -> None:
    random_ = random.Random(8)

    def value(depth: int) -> object:
        match random_.randrange(3 if depth else 1):
            case 0:
                return random_.random()
            case 1:
                return [value(depth - 1) for _ in range(3)]
            case _:
                return {f"k{number}": value(depth - 1) for number in range(3)}

    def shuffled(one: object) -> object:
        if isinstance(one, dict):
            items = list(one.items())
            random_.shuffle(items)
            return {name: shuffled(inner) for name, inner in items}
        return [shuffled(inner) for inner in one] if isinstance(one, list) else one

    for _ in range(200):
        made = {"root": value(4)}
        real = answer(json.dumps(made).encode(), JSON)
        same = json.dumps(shuffled(made), indent=random_.choice([None, 1])).encode()
        assert differences(real, answer(same, JSON)) == ()
        digits = [index for index, byte in enumerate(same) if chr(byte).isdigit() and same[index - 1 : index] == b"."]
        place = random_.choice(digits)
        changed = same[:place] + (b"1" if same[place : place + 1] != b"1" else b"2") + same[place + 1 :]
        assert len(differences(real, answer(changed, JSON))) == 1


def test_of_long_bodies_length_and_digest_are_compared() -> None:
    def cut(body: bytes, length: int, digest: bytes) -> Answer:
        return Answer(200, (), body, is_whole=False, length=length, digest=digest)

    assert differences(cut(b"abc", 9, b"1"), cut(b"abc", 9, b"1")) == ()
    assert differences(cut(b"abc", 9, b""), cut(b"abc", 9, b"1")) == ()
    (found,) = differences(cut(b"abc", 9, b"1"), cut(b"abc", 8, b"2"))
    assert (found.what, found.real, found.shadow) == ("body", "9 bytes", "8 bytes")
    (found,) = differences(cut(b"abc", 9, b"1"), cut(b"abc", 9, b"2"))
    assert found.real == "other content after byte 3, SHA-256 31"
    (found,) = differences(cut(b"abc", 9, b"1"), cut(b"axc", 9, b"2"))
    assert found.real.startswith("byte 1 of 3")
