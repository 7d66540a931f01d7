"""What must hold for any input, not only for the cases: random requests, random junk, random splits.

Derandomized, so that a run says the same twice; `make fuzz` is for finding new inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.http.limits import Limits
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from tests.conformance.playing import Connection, Outcome, play

EXAMPLES = settings(max_examples=300, deadline=None, derandomize=True)

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12)
NAME = st.text("!#$%&'*+-.^`|~09azAZ", min_size=1, max_size=12).filter(
    lambda name: name.lower() not in ("te", "host", "expect", "upgrade")  # too short to be made up, but still
)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
PATH = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f#?"), max_size=20)
QUERY = st.none() | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f#"), max_size=20
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid request: its bytes and what is in them."""

    data: bytes
    method: str
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


@st.composite
def requests(draw: st.DrawFn) -> Wanted:
    method = draw(TOKEN.filter(lambda method: method != "CONNECT"))
    path = "/" + draw(PATH)
    query = draw(QUERY)
    fields = draw(st.lists(st.tuples(NAME, VALUE), max_size=6))
    body = draw(st.binary(max_size=60))
    space = st.text(" \t", max_size=2)
    lines = [f"{method} {path}{'' if query is None else '?' + query} HTTP/1.1", "Host: example"]
    lines += [f"{name}:{draw(space)}{value}{draw(space)}" for name, value in fields]
    content = body
    if draw(st.booleans()):
        lines.append("Transfer-Encoding: chunked")
        content = b""
        at = 0
        while at < len(body):
            size = draw(st.integers(1, len(body) - at))
            extension = draw(st.sampled_from(["", ";a", ";a=b", ' ; a="\\"b"']))
            content += f"{size:x}{extension}\r\n".encode() + body[at : at + size] + b"\r\n"
            at += size
        content += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: a\r\n"])) + b"\r\n"
    elif body or draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + content
    stripped = tuple((name.lower(), value.strip(" \t")) for name, value in fields)
    return Wanted(data, method, path, query or "", stripped, body)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    edges = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True)]


PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.1\r\n", b"GET http://b/ HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n",
        b"Host: a\r\n", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:3 \r\n",
        b"Transfer-Encoding: chunked\r\n", b"transfer-encoding: Chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
        b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n",
        b"Proxy-Connection: close\r\n", b"Proxy-Connection: upgrade\r\n", b"Expect: 100-continue\r\n", b"X_Y: z\r\n",
        b"X: y\r\n", b"X:\r\n", b"X : y\r\n", b" folded\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b":",
        b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\n", b"a;b=c\r\n0123456789\r\n", b"hello", b"HTTP/1.1", b"GET", b"/",
        b"\xff", b"\x00",
        b"GET /whole HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"\x16\x03\x01", b"PROXY ",
    ]
)  # fmt: skip
JUNK = st.lists(PIECES | st.binary(max_size=4), max_size=24).map(b"".join)


def verdict(outcome: Outcome) -> object:
    """Which error is found first may depend on what has arrived; whether there is one may not."""
    return "refused" if isinstance(outcome.end, int) else outcome.end


@given(st.data())
@EXAMPLES
def test_a_valid_request_arrives_as_it_was_sent(data: st.DataObject) -> None:
    wanted = data.draw(requests())
    outcome = play(data.draw(cut(wanted.data)), HttptoolsFields())
    assert outcome.end == "open", outcome
    (seen,) = outcome.seen
    assert (seen["method"], seen["path"], seen["query"]) == (wanted.method, wanted.path, wanted.query)
    assert seen["body"].encode("latin-1") == wanted.body
    for name in {name for name, _ in wanted.fields}:
        joined = ",".join(value for other, value in wanted.fields if other == name)
        assert seen["headers"][name] == joined


@given(st.data())
@EXAMPLES
def test_pipelined_requests_stay_apart(data: st.DataObject) -> None:
    wanted = data.draw(st.lists(requests(), min_size=1, max_size=6))
    stream = b"".join(request.data for request in wanted)
    outcome = play(data.draw(cut(stream)), HttptoolsFields())
    assert [(seen["path"], seen["body"].encode("latin-1")) for seen in outcome.seen] == [
        (request.path, request.body) for request in wanted
    ]
    assert outcome.end == "open"


@given(st.data())
@EXAMPLES
def test_no_input_raises_anything_else_and_no_split_changes_the_verdict(data: st.DataObject) -> None:
    junk = data.draw(JUNK)
    whole = play([junk], HttptoolsFields())
    split = play(data.draw(cut(junk)), HttptoolsFields())
    bytewise = play([junk[at : at + 1] for at in range(len(junk))], HttptoolsFields())
    assert whole.seen == split.seen == bytewise.seen
    assert verdict(whole) == verdict(split) == verdict(bytewise)


@given(JUNK)
@EXAMPLES
def test_both_back_ends_say_the_same(junk: bytes) -> None:
    one, other = play([junk], HttptoolsFields()), play([junk], H11Fields())
    assert one.seen == other.seen
    assert one.end == other.end


@given(st.lists(JUNK, min_size=2, max_size=4))
@EXAMPLES
def test_connections_that_share_a_parser_do_not_touch_each_other(streams: list[bytes]) -> None:
    parser = HeadParser(HttptoolsFields(), Limits())
    shared = [Connection(parser, Limits()) for _ in streams]
    for at in range(0, max(map(len, streams)), 7):
        for connection, junk in zip(shared, streams, strict=True):
            connection.feed(junk[at : at + 7])
    for connection, junk in zip(shared, streams, strict=True):
        alone = play([junk[at : at + 7] for at in range(0, len(junk), 7)], HttptoolsFields())
        assert (connection.outcome.seen, connection.outcome.end) == (alone.seen, alone.end)
