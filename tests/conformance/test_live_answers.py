"""What an application answers, as it comes over the wire: the same bytes from every worker class.

Raw, since a client library would hide a second length, content where there may be none, or a broken end.
RFC 9112 section 6, RFC 9110 sections 6.4 and 15.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conformance.answering import ANSWERS
from tests.conformance.workers import WORKERS, serving
from tests.integration.server import Server

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LAST_ANSWER = b"HTTP/1.1 200\r\ncontent-length: 6\r\nconnection: close\r\n\r\nonetwo"

LENGTH, CHUNKED = b"content-length: 6\r\n", b"transfer-encoding: chunked\r\n"
CONTENT, CHUNKS = b"onetwo", b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
OWN = b"Date: then\r\nServer: mine\r\n"

# The status and fields of the head; the content to HTTP/1.1; what becomes of the connection. To HTTP/1.0 the same,
# but for chunks.
KEPT, CLOSED, CUT = "kept", "closed", "cut"
TABLE: dict[str, tuple[bytes, bytes, str]] = {
    "parts": (b"200\r\n" + CHUNKED, CHUNKS, KEPT),
    "length": (b"200\r\n" + LENGTH, CONTENT, KEPT),
    "long": (b"200\r\ncontent-length: 4\r\n", b"one", CUT),
    "short": (b"200\r\ncontent-length: 9\r\n", CONTENT, CUT),
    "nothing": (b"200\r\ncontent-length: 0\r\n", b"", KEPT),
    "204": (b"204\r\n", b"", KEPT),
    "204-length": (b"204\r\n", b"", KEPT),
    "205": (b"205\r\ncontent-length: 0\r\n", b"", KEPT),
    "304": (b'304\r\nETag: "a"\r\n' + LENGTH, b"", KEPT),
    "coding": (b"200\r\n" + CHUNKED, CHUNKS, KEPT),
    "coding-and-length": (b"200\r\n" + LENGTH, CONTENT, KEPT),
    "own": (b"200\r\n" + OWN + LENGTH, CONTENT, KEPT),
    "close": (b"200\r\n" + LENGTH + b"connection: close\r\n", CONTENT, CLOSED),
    "fails-late": (b"200\r\n" + CHUNKED, CHUNKS.removesuffix(b"0\r\n\r\n"), CUT),
    "fails-late-length": (b"200\r\ncontent-length: 9\r\n", CONTENT, CUT),
}
FAILURES = sorted(ANSWERS.keys() - TABLE.keys())


@pytest.fixture(scope="module", params=WORKERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(request.param, "tests.conformance.answering") as running:
        yield running


def asked(server: Server, method: str, name: str, version: str = "1.1", *fields: str) -> bytes:
    """All that is answered to this request and to a last one behind it. Left out: Date and Server of ours, which must
    be there, and the reason phrase, which only WSGI lets the application choose."""
    head = "\r\n".join([f"{method} /{name} HTTP/{version}", "Host: a", *fields, "", ""]).encode()
    data = b""
    with server.connected() as connection:
        connection.sendall(head + LAST)
        try:
            while more := connection.recv(65536):
                data += more
        except ConnectionResetError:
            data += b"(reset)"
    data, dates = re.subn(rb"Date: \w{3}, [^\r]*\r\n", b"", data, flags=re.IGNORECASE)
    data, servers = re.subn(rb"Server: hybrid\r\n", b"", data, flags=re.IGNORECASE)
    data, lines = re.subn(rb"(HTTP/1\.1 [0-9]{3}) [^\r]*\r\n", rb"\1\r\n", data)
    own = OWN in data
    assert dates == servers == lines - own, data
    return data


@pytest.mark.parametrize("name", TABLE)
def test_to_http_1_1(server: Server, name: str) -> None:
    head, content, end = TABLE[name]
    wanted = b"HTTP/1.1 " + head + b"\r\n" + content
    assert asked(server, "GET", name) == wanted + (LAST_ANSWER if end == KEPT else b"")


@pytest.mark.parametrize("name", [name for name, (_, _, end) in TABLE.items() if end != CUT])
def test_to_head_there_is_no_content_and_no_chunk(server: Server, name: str) -> None:
    head, _, end = TABLE[name]
    found = asked(server, "HEAD", name)
    fields, _, rest = found.partition(b"\r\n\r\n")
    assert rest == (LAST_ANSWER if end == KEPT else b"")
    if name != "nothing":  # HEAD may leave the length out
        assert fields + b"\r\n" == b"HTTP/1.1 " + head.replace(CHUNKED, b"")


@pytest.mark.parametrize("name", TABLE)
def test_to_http_1_0_nothing_is_chunked(server: Server, name: str) -> None:
    head, content, end = TABLE[name]
    if CHUNKED in head:
        # Delimited by the end of the connection; where that came too early, only a reset can say so.
        wanted = b"HTTP/1.1 200\r\nconnection: close\r\n\r\n" + CONTENT + (b"(reset)" if end == CUT else b"")
    else:
        if end != CLOSED:
            head += b"connection: keep-alive\r\n"
        wanted = b"HTTP/1.1 " + head + b"\r\n" + content + (LAST_ANSWER if end == KEPT else b"")
    assert asked(server, "GET", name, "1.0", "Connection: keep-alive") == wanted


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_sent_is_500_and_nothing_of_it_is_sent(server: Server, name: str, version: str) -> None:
    found = asked(server, "GET", name, version)
    head, _, rest = found.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500\r\n")
    assert b"evil" not in found.lower()
    assert head.lower().count(b"content-length") == 1
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert rest[length:] in (b"", LAST_ANSWER)
