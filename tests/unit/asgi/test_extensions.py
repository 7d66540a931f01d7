"""Early hints, files and trailers: ASGI's extensions of the HTTP response, each offered only where it is honoured."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid.asgi import Cycle, Scopes
from hybrid.asgi.extensions import READ_SIZE
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http.tls_facts import TlsFacts
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, ResponseError

PEER = Peer(client=("192.0.2.1", 5000), server=("127.0.0.1", 8000))
Send = Callable[[dict[str, Any]], Awaitable[None]]


def request(*lines: str, first: str = "GET / HTTP/1.1") -> Request:
    made = HeadParser(HttptoolsFields(), Limits()).parse("\r\n".join([first, "Host: a", *lines, "", ""]).encode())
    made.client, made.server, made.scheme, made.root_path = PEER.client, PEER.server, PEER.scheme, ""
    return made


class Wire:
    """A connection that remembers what was written."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_writable = True
        self.sent = b""
        self.is_complete = False
        self.is_broken = False
        self.drains = 0
        self.reports: list[BaseException | None] = []

    def write(self, data: bytes) -> None:
        self.sent += data

    def writelines(self, buffers: tuple[bytes, ...]) -> None:
        self.sent += b"".join(buffers)

    def write_piece(self, buffers: tuple[bytes, ...]) -> None:
        self.sent += b"".join(buffers)

    async def drain(self) -> None:
        self.drains += 1

    def want_body(self) -> None: ...
    async def send_file(self, head: bytes, fd: int, offset: int, count: int) -> bool:
        return False

    def took_body(self) -> None: ...

    def complete(self, cycle: object, data: bytes) -> None:
        assert not self.is_complete
        self.sent += data
        self.is_complete = True

    def on_broken(self, cycle: object) -> None:
        self.is_broken = True

    def on_ended(self, cycle: object) -> None: ...

    def report(self, cycle: object, what: str, error: BaseException | None) -> None:
        self.reports.append(error)

    @property
    def head(self) -> bytes:
        return self.sent.partition(b"\r\n\r\n")[0].lower()

    @property
    def content(self) -> bytes:
        return self.sent.partition(b"\r\n\r\n")[2]


def answered(app: Callable[[Send], Awaitable[None]], of: Request | None = None, *, is_slow: bool = False) -> Wire:
    """What goes over the wire when an application does this."""

    async def play() -> Wire:
        wire = Wire(asyncio.get_running_loop())
        wire.is_writable = not is_slow

        async def whole(scope: object, receive: object, send: Send) -> None:
            await app(send)

        wanted = of or request()
        cycle = Cycle(whole, wanted, Prefixes(server=b"t"), wire, has_body=False)
        await cycle.run(Scopes().http(Scopes().template(PEER, ""), wanted))
        return wire

    return asyncio.run(play())


def offered_to(of: Request, peer: Peer = PEER) -> dict[str, Any]:
    scopes = Scopes()
    extensions: dict[str, Any] = scopes.http(scopes.template(peer, ""), of)["extensions"]
    return extensions


START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"end"}


# -- what is offered ---------------------------------------------------------------------------------


def test_files_and_hints_are_offered_to_http_1_1() -> None:
    assert offered_to(request()) == {
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
        "http.response.early_hint": {},
        "http.response.early_hints": {},
    }


def test_only_files_are_offered_to_http_1_0() -> None:
    offered = offered_to(request("TE: trailers", first="GET / HTTP/1.0"))
    assert set(offered) == {"http.response.pathsend", "http.response.zerocopysend"}


@pytest.mark.parametrize(
    ("te", "is_offered"), [("trailers", True), ("deflate, Trailers", True), ("gzip", False), ("xtrailers", False)]
)
def test_trailers_are_offered_to_who_takes_them(te: str, is_offered: bool) -> None:
    assert ("http.response.trailers" in offered_to(request(f"TE: {te}"))) is is_offered


def test_offer_of_one_request_is_not_that_of_another() -> None:
    scopes = Scopes()
    template = scopes.template(PEER, "")
    scopes.http(template, request())["extensions"]["x"] = 1
    assert "x" not in scopes.http(template, request())["extensions"]


def test_tls_is_described_where_there_is_tls() -> None:
    facts = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", "-----BEGIN", "CN=Ada")
    secure = Peer(client=None, server=("localhost", 443), scheme="https", tls=facts)
    described = offered_to(request(), secure)["tls"]
    assert described["tls_version"] == 0x0304
    assert described["client_cert_name"] == "CN=Ada"
    assert described["client_cert_chain"] == ["-----BEGIN"]
    assert "tls" not in offered_to(request())


# -- early hints -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http.response.early_hint", "http.response.early_hints"])
def test_hints_go_out_at_once_before_the_response(kind: str) -> None:
    async def app(send: Send) -> None:
        await send({"type": kind, "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
        await send(START)
        await send(END)

    sent = answered(app).sent
    assert sent.startswith(
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n"
    )


def test_hints_are_not_sent_to_http_1_0() -> None:
    async def app(send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a>"]})
        await send(START)
        await send(END)

    assert answered(app, request(first="GET / HTTP/1.0")).sent.startswith(b"HTTP/1.1 200 OK\r\n")


def test_hint_that_could_forge_a_line_is_the_applications_error() -> None:
    async def app(send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a>\r\nset-cookie: x"]})

    wire = answered(app)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert isinstance(wire.reports[0], ResponseError)


def test_hint_after_the_head_is_out_of_order() -> None:
    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        with pytest.raises(RuntimeError, match="early_hint"):
            await send({"type": "http.response.early_hint", "links": []})
        await send(END)

    assert not answered(app).reports


# -- files -------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(READ_SIZE * 2 + 1000))
    return path


def test_path_is_sent_with_its_length(file: Path) -> None:
    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(file)})

    wire = answered(app, is_slow=True)
    assert wire.content == file.read_bytes()
    assert b"content-length: %d" % file.stat().st_size in wire.head
    assert wire.is_complete
    assert wire.drains >= 3  # it waits for the client after each piece


def test_path_is_not_read_for_head(file: Path) -> None:
    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(file)})

    wire = answered(app, request(first="HEAD / HTTP/1.1"))
    assert wire.content == b""
    assert wire.is_complete


def test_empty_file_is_an_empty_response(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "empty")})

    wire = answered(app)
    assert b"content-length: 0" in wire.head
    assert wire.is_complete


def test_missing_file_is_the_applications_error_and_answered_500(tmp_path: Path) -> None:
    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "missing")})

    wire = answered(app)
    assert isinstance(wire.reports[0], FileNotFoundError)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_the_applications_error_and_answered_500(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # opening it would wait for somebody who writes, and the loop with it
    else:
        path = Path("/dev/zero")

    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(path)})

    wire = answered(app)
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    (error,) = wire.reports
    assert isinstance(error, OSError)
    assert str(path) in str(error)


@pytest.mark.parametrize("part", [{"offset": -5}, {"count": -1}, {"offset": 10, "count": -11}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_negative_part_of_a_file_is_the_applications_error(file: Path, part: dict[str, int], method: str) -> None:
    async def app(send: Send) -> None:
        with file.open("rb") as opened:
            await send(START)
            await send({"type": "http.response.zerocopysend", "file": opened, **part})

    wire = answered(app, request(first=f"{method} / HTTP/1.1"))
    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert isinstance(wire.reports[0], ValueError)


def test_file_that_is_shorter_than_its_content_length_is_answered_500(file: Path) -> None:
    async def app(send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"99999999")]})
        await send({"type": "http.response.pathsend", "path": str(file)})

    assert answered(app).sent.startswith(b"HTTP/1.1 500 ")


def test_file_that_shrinks_on_the_way_breaks_the_response(file: Path) -> None:
    class Shrinking(Wire):
        async def drain(self) -> None:
            os.truncate(file, 10)

    async def play() -> Wire:
        wire = Shrinking(asyncio.get_running_loop())
        wire.is_writable = False

        async def app(scope: object, receive: object, send: Send) -> None:
            await send(START)
            await send({"type": "http.response.pathsend", "path": str(file)})

        cycle = Cycle(app, request(), Prefixes(server=b"t"), wire, has_body=False)
        await cycle.run({})
        return wire

    wire = asyncio.run(play())
    assert wire.is_broken
    assert not wire.is_complete
    assert isinstance(wire.reports[0], EOFError)


def test_open_file_is_sent_from_its_position_and_left_there(file: Path) -> None:
    async def app(send: Send) -> None:
        with file.open("rb", buffering=0) as opened:
            opened.seek(100)
            await send(START)
            await send({"type": "http.response.zerocopysend", "file": opened})
            assert opened.tell() == 100

    wire = answered(app)
    assert wire.content == file.read_bytes()[100:]
    assert b"content-length: %d" % (file.stat().st_size - 100) in wire.head


def test_parts_of_open_files_mix_with_content(file: Path) -> None:
    async def app(send: Send) -> None:
        with file.open("rb") as opened:
            await send(START)
            await send({"type": "http.response.body", "body": b"<", "more_body": True})
            part = {"type": "http.response.zerocopysend", "file": opened.fileno(), "offset": 2, "count": 3}
            await send({**part, "more_body": True})
            await send({"type": "http.response.body", "body": b"|", "more_body": True})
            await send({**part, "offset": 5, "count": 4})

    data = file.read_bytes()
    assert answered(app).content == (b"1\r\n<\r\n3\r\n%b\r\n1\r\n|\r\n4\r\n%b\r\n0\r\n\r\n" % (data[2:5], data[5:9]))


def test_body_after_a_path_is_out_of_order(file: Path) -> None:
    async def app(send: Send) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": str(file)})
        with pytest.raises(RuntimeError, match="after the response is complete"):
            await send(END)

    assert not answered(app).reports


def test_path_before_start_is_out_of_order(file: Path) -> None:
    async def app(send: Send) -> None:
        with pytest.raises(RuntimeError, match=r"'http\.response\.start' is expected"):
            await send({"type": "http.response.pathsend", "path": str(file)})
        await send(START)
        await send(END)

    assert not answered(app).reports


# -- trailers ----------------------------------------------------------------------------------------

TRAILED = {**START, "trailers": True}


async def with_trailers(send: Send) -> None:
    await send(TRAILED)
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await send({"type": "http.response.body", "body": b"de"})
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-time", b"2")]})


def test_trailers_follow_the_content() -> None:
    wire = answered(with_trailers, request("TE: trailers"))
    assert wire.content == b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 1\r\nx-time: 2\r\n\r\n"
    assert wire.is_complete


def test_trailers_are_left_out_where_the_client_does_not_take_them() -> None:
    assert answered(with_trailers).content == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    old = answered(with_trailers, request(first="GET / HTTP/1.0"))
    assert old.content == b"abcde"
    assert old.is_complete


def test_trailers_may_follow_a_file(file: Path) -> None:
    file.write_bytes(b"12345")

    async def app(send: Send) -> None:
        await send(TRAILED)
        await send({"type": "http.response.pathsend", "path": str(file)})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    assert answered(app, request("TE: trailers")).content == b"5\r\n12345\r\n0\r\nx-sum: 1\r\n\r\n"


def test_trailers_before_the_end_of_the_content_are_out_of_order() -> None:
    async def app(send: Send) -> None:
        await send(TRAILED)
        with pytest.raises(RuntimeError, match="trailers"):
            await send({"type": "http.response.trailers", "headers": []})
        await send(END)
        with pytest.raises(RuntimeError, match="body"):
            await send(END)
        await send({"type": "http.response.trailers", "headers": []})

    assert not answered(app, request("TE: trailers")).reports


def test_application_that_promises_trailers_and_sends_none_breaks_the_response() -> None:
    async def app(send: Send) -> None:
        await send(TRAILED)
        await send(END)

    wire = answered(app, request("TE: trailers"))
    assert wire.is_broken
    assert len(wire.reports) == 1
