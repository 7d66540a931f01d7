"""A copy of a request and its answer, without processes."""

from __future__ import annotations

import hashlib

import pytest

from hybrid.contract.shadow import Copy
from hybrid.http1.reply import ReplyError
from hybrid_workers.shadow_exchange import Exchange, request_of, shown

REAL = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n" + b'{"a": 1, "b":2}'


def copy(reply: bytes = REAL, head: bytes = b"", method: str = "GET", body: bytes = b"", **more: object) -> Copy:
    head = head or method.encode() + b" /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
    return Copy("/*", "modern", head, body, method, reply, 0.1, 1.0, **more)  # type: ignore[arg-type]


def differences(made: Copy, answer: bytes, *ignored: bytes) -> list[str]:
    exchange = Exchange(made, ignored, 0.0)
    assert exchange.feed(answer)
    return [difference.what for difference in exchange.comparison().differences]


def answer(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status, lines, len(body), body,
    )  # fmt: skip


def test_the_request_is_as_it_came_and_marked() -> None:
    head = b"GET /a HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nX-Hybrid-Shadow: 0\r\nExpect: 100-continue\r\n\r\n"
    assert request_of(copy(head=head)) == (b"GET /a HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nX-Hybrid-Shadow: 1\r\n\r\n")


def test_a_body_is_sent_with_its_length_however_it_came() -> None:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert request_of(copy(head=head, method="POST", body=b"body")) == (
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nX-Hybrid-Shadow: 1\r\n\r\nbody"
    )


def test_the_request_line_is_shown_without_what_a_terminal_would_obey() -> None:
    assert shown(copy(head=b"GET /\x9b31m HTTP/1.1\r\n\r\n")) == "GET /?31m"


def test_equal_answers_have_no_differences() -> None:
    assert differences(copy(), REAL) == []
    assert differences(copy(), answer(b'{"b": 2, "a": 1}')) == [], "members of JSON have no order"
    assert differences(copy(), answer(b'{"a": 1, "b":2}', b"set-cookie: hybrid_pool=modern")) == []


def test_each_kind_of_divergence_is_found() -> None:
    assert differences(copy(), answer(b'{"a": 1, "b":2.0}')) == ["body $.b"]
    assert differences(copy(), answer(b'{"a": 1, "b":2}', b"x-new: 1")) == ["header x-new"]
    assert differences(copy(), answer(b'{"a": 1, "b":2}', b"set-cookie: s=1")) == ["cookie s"]
    assert differences(copy(), answer(b"{}", status=b"404 Not Found")) == ["status"]
    assert differences(copy(), answer(b'{"a": 1, "b":2}', b"x-new: 1"), b"x-new") == []


def test_of_long_answers_length_and_digest_are_compared() -> None:
    body = b"x" * 100_000
    cut = copy(
        answer(b"").replace(b"content-length: 0", b"content-length: 100000") + body[:65536],
        is_cut=True, length=len(body), digest=hashlib.sha256(body).digest(),
    )  # fmt: skip
    assert differences(cut, answer(body)) == []
    assert differences(cut, answer(body[:-1] + b"y")) == ["body"]


def test_a_pool_that_cannot_take_it_has_not_answered() -> None:
    exchange = Exchange(copy(), (), 0.0)
    assert exchange.feed(answer(b"no worker of pool modern can take this request now", status=b"503 Unavailable"))
    with pytest.raises(ReplyError, match="no worker"):
        exchange.comparison()


def test_an_answer_that_ends_early_is_none() -> None:
    exchange = Exchange(copy(), (), 0.0)
    assert not exchange.feed(answer(b"whole")[:-1])
    with pytest.raises(ReplyError, match="ended before"):
        exchange.feed(b"")
