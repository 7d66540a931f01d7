"""One WSGI exchange: PEP 3333, "The start_response() Callable", "Handling the Content-Length Header" and so on."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from hybrid.errors import ProtocolError
from hybrid.http1.response import Prefixes, ResponseError
from hybrid.wsgi import BrokenBody, Environs, Exchange, FileWrapper
from tests.unit.wsgi.requests import PEER, request

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
TEXT = [("Content-Type", "text/plain")]


class Played:
    """What became of an exchange, with the worker's part played by this class."""

    def __init__(self, app: Wsgi, *line_and_fields: str, sends_files: bool = False, most: int = 1000) -> None:
        self.wire = b""
        self.writes: list[bytes] = []
        self.error: BaseException | None = None
        found = request(*line_and_fields)
        environs = Environs(errors=io.StringIO(), is_multithread=False, is_multiprocess=False)
        exchange = self.exchange = Exchange(found, Prefixes(server=None, date=False), self._take, sends_files)
        environ = environs.of(found, environs.template(PEER))
        environ["wsgi.early_hints"] = exchange.early_hints
        try:
            self._take(exchange.open(app, environ))
            while not exchange.response.is_complete and len(self.writes) < most:
                self._take(exchange.advance())
        except BaseException as error:
            self.error = error
            answer = exchange.fail(error)
            self.is_cut = answer is None
            self._take(answer or b"")
        exchange.close()

    def _take(self, piece: bytes | tuple[bytes, bytes, bytes]) -> None:
        data = piece if isinstance(piece, bytes) else b"".join(piece)
        if data:
            self.writes.append(data)
            self.wire += data

    @property
    def status(self) -> str:
        return self.wire.split(b"\r\n", 1)[0].decode()[len("HTTP/1.1 ") :]

    @property
    def head(self) -> str:
        return self.wire.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def body(self) -> bytes:
        return self.wire.partition(b"\r\n\r\n")[2]


def answering(result: object, headers: list[tuple[str, str]] | None = None, status: str = "200 OK") -> Wsgi:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, TEXT if headers is None else headers)
        return result

    return app


class Closing:
    """An iterable that counts its closing."""

    def __init__(self, *chunks: bytes, error: BaseException | None = None) -> None:
        self._chunks = iter(chunks)
        self._error = error
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for chunk in self._chunks:
            self.taken += 1
            return chunk
        if self._error is not None:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        self.closed += 1


# -- how the content is framed ------------------------------------------------------------------------------


def test_a_list_of_one_is_one_write_with_its_length() -> None:
    played = Played(answering([b"hello"]))
    assert len(played.writes) == 1
    assert "content-length: 5" in played.head
    assert played.body == b"hello"


@pytest.mark.parametrize(
    "result", [[], (), [b""], iter([]), iter([b"", b""])], ids=["[]", "()", "[b'']", "iterator", "empty pieces"]
)
def test_an_empty_iterable_is_an_empty_answer(result: object) -> None:
    played = Played(answering(result))
    assert "content-length: 0" in played.head
    assert played.body == b""
    assert played.exchange.response.keep_alive


def test_a_tuple_of_one_has_its_length() -> None:
    assert "content-length: 2" in Played(answering((b"ab",))).head


def test_each_chunk_of_a_generator_is_written_at_once_and_empty_ones_are_skipped() -> None:
    played = Played(answering(iter([b"", b"one", b"", b"two"])))
    assert played.writes[0].endswith(b"3\r\none\r\n")
    assert played.writes[1:] == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


def test_to_http_1_0_the_end_of_a_generator_is_the_end_of_the_connection() -> None:
    played = Played(answering(iter([b"one", b"two"])), "GET / HTTP/1.0")
    assert played.body == b"onetwo"
    assert not played.exchange.response.keep_alive


class Text(bytes):
    """What some applications make of their content."""


@pytest.mark.parametrize("size", [2, 70_000])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_content_of_a_class_derived_from_bytes_is_passed_on_as_bytes(version: str, size: int) -> None:
    text = Text(b"x" * size)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", TEXT)(text)
        return iter([text])

    pieces: list[Any] = []
    exchange = Exchange(request(f"GET / HTTP/{version}"), Prefixes(server=None, date=False), pieces.append, False)
    pieces.append(exchange.open(app, {}))
    pieces.append(exchange.advance())
    parts = [part for piece in pieces for part in (piece if isinstance(piece, tuple) else (piece,))]
    assert {type(part) for part in parts} == {bytes}
    assert b"".join(parts).count(b"x") == 2 * size + "text/plain".count("x")


def test_iteration_stops_when_content_length_is_reached() -> None:
    closing = Closing(b"abc", b"de", b"too much")
    played = Played(answering(closing, [("Content-Length", "5")]))
    assert (played.body, closing.taken, closing.closed) == (b"abcde", 2, 1)
    assert played.error is None


def test_a_chunk_beyond_content_length_is_refused_before_anything_is_sent() -> None:
    played = Played(answering([b"abcdef"], [("Content-Length", "5")]))
    assert played.status == "500 Internal Server Error"
    assert b"abcde" not in played.wire


def test_less_than_content_length_cuts_the_connection() -> None:
    played = Played(answering(iter([b"abc"]), [("Content-Length", "5")]))
    assert isinstance(played.error, ResponseError)
    assert played.is_cut


def test_a_head_request_keeps_the_length_and_gets_no_content() -> None:
    closing = Closing(b"never asked for")
    played = Played(answering(closing, [("Content-Length", "15")]), "HEAD / HTTP/1.1")
    assert "content-length: 15" in played.head
    assert (played.body, closing.closed) == (b"", 1)
    assert played.error is None


@pytest.mark.parametrize("parts", [[], [b"some"], [b"some", b"more"]])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_content(status: str, parts: list[bytes]) -> None:
    played = Played(answering(parts, status=status))
    assert (played.status, played.body) == (status, b"")
    assert "transfer-encoding" not in played.head


def test_large_content_is_not_copied() -> None:
    large = b"x" * 200_000
    found = request()
    exchange = Exchange(found, Prefixes(), lambda piece: None)
    piece = exchange.open(answering([large]), {})
    assert isinstance(piece, tuple)
    assert piece[1] is large


# -- start_response -----------------------------------------------------------------------------------------


def test_start_response_may_be_called_at_the_first_next() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", TEXT)
        yield b"late"

    assert Played(app).status == "201 Created"


def test_content_without_start_response_is_an_error() -> None:
    played = Played(lambda environ, start_response: [b"x"])
    assert played.status.startswith("500")
    assert "start_response" in str(played.error)


def test_a_second_start_response_needs_exc_info() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return [b"x"]

    played = Played(app)
    assert played.status.startswith("500")
    assert "second time" in str(played.error)


def test_exc_info_before_the_head_replaces_status_and_headers() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise KeyError("k")
        except KeyError:
            start_response("503 Later", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    played = Played(app)
    assert played.status == "503 Later"
    assert "x-second" in played.head
    assert "x-first" not in played.head


def test_exc_info_after_the_head_raises_again_and_cuts() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"begun"
        try:
            raise KeyError("k")
        except KeyError:
            start_response("500 Oops", TEXT, sys.exc_info())

    played = Played(app)
    assert isinstance(played.error, KeyError)
    assert played.is_cut


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, TEXT),
        (b"200 OK", TEXT),
        ("OK", TEXT),
        ("200 OK", tuple(TEXT)),
        ("200 OK", [(b"X", b"1")]),
        ("200 OK", [("X", 1)]),
        ("200 OK", [("X", "a\r\nY: b")]),
        ("200 OK", [("X\r\nY", "a")]),
        ("200 OK", [("X", "a\0")]),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK\r\nX: y", TEXT),
    ],
)
def test_a_bad_status_or_header_is_500_and_nothing_of_it_is_sent(status: Any, headers: Any) -> None:
    played = Played(answering([b"secret"], headers, status))
    assert played.status == "500 Internal Server Error"
    assert b"secret" not in played.wire
    assert b"Y: b" not in played.wire


def test_hop_by_hop_headers_are_the_servers() -> None:
    played = Played(answering([b"x"], [("Transfer-Encoding", "chunked"), ("Keep-Alive", "9"), ("X", "1")]))
    assert "transfer-encoding" not in played.head
    assert "keep-alive" not in played.head
    assert "x: 1" in played.head


def test_the_head_waits_for_the_first_content() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        raise ValueError("too early to be seen")

    assert Played(app).status.startswith("500")


# -- write() ------------------------------------------------------------------------------------------------


def test_write_comes_before_the_iterable() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"one")
        write(b"")
        return [b"two"]

    played = Played(app)
    assert played.body == b"onetwo"
    assert played.writes[0].endswith(b"one")


def test_write_alone_is_a_complete_answer() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)(b"all")
        return []

    assert Played(app).body == b"3\r\nall\r\n0\r\n\r\n"


def test_write_beyond_content_length_is_an_error() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "3")])
        write(b"abc")
        write(b"d")
        return []

    assert isinstance(Played(app).error, ResponseError)


def test_write_wants_bytes() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)("text")
        return []

    assert "expected bytes" in str(Played(app).error)


# -- the iterable -------------------------------------------------------------------------------------------


def test_close_is_called_after_the_last_chunk() -> None:
    closing = Closing(b"a", b"b")
    Played(answering(closing))
    assert closing.closed == 1


def test_close_is_called_when_iteration_raises() -> None:
    closing = Closing(b"a", error=ValueError("mid-way"))
    played = Played(answering(closing))
    assert (closing.closed, played.is_cut) == (1, True)
    assert not played.wire.endswith(b"0\r\n\r\n")


def test_close_is_called_when_the_answer_is_abandoned() -> None:
    closing = Closing(b"a", b"b", b"c")
    Played(answering(closing), most=1)
    assert (closing.closed, closing.taken) == (1, 1)


def test_close_of_a_list_subclass_is_called() -> None:
    class Closable(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    result = Closable([b"x"])
    assert Played(answering(result)).body == b"x"
    assert result.closed == 1


@pytest.mark.parametrize("result", [None, 3, "text", ["text"], [b"a", "text"], [None]], ids=repr)
def test_anything_but_an_iterable_of_bytes_is_an_error(result: object) -> None:
    assert "expected" in str(Played(answering(result)).error)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_whatever_the_application_raises_is_500(error: BaseException) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise error

    played = Played(app)
    assert played.error is error
    assert played.status == "500 Internal Server Error"
    assert "connection: close" in played.head


def test_an_error_page_is_not_sent_in_answer_to_head() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError

    assert Played(app, "HEAD / HTTP/1.1").body == b""


def test_a_broken_body_that_the_application_lets_pass_is_the_clients_fault() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise BrokenBody("too slow", ProtocolError(408, "the body came too slowly"))

    assert Played(app).status == "408 Request Timeout"


# -- body, hints, files -------------------------------------------------------------------------------------


class Unread:
    is_read = False


def test_an_answer_before_the_body_was_read_closes_the_connection() -> None:
    exchange = Exchange(request(), Prefixes(), lambda piece: None)
    exchange.source = Unread()
    piece = exchange.open(answering([b"x"]), {})
    assert b"connection: close" in b"".join([piece] if isinstance(piece, bytes) else piece)


def test_early_hints_go_out_at_once() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", TEXT)
        return [b"x"]

    played = Played(app)
    assert played.writes[0] == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    assert played.writes[1].startswith(b"HTTP/1.1 200 OK")
    assert Played(app, "GET / HTTP/1.0").status == "200 OK"


def test_a_real_file_is_left_to_the_worker_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.read(3)
        fd = file.fileno()
        played = Played(answering(FileWrapper(file)), sends_files=True)
        part = played.exchange.rest
        assert part is not None
        assert (part.fd, part.offset, part.size) == (fd, 3, 7)
        assert "content-length: 7" in played.head
        assert played.body == b""
        assert file.closed


def test_content_length_bounds_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        part = Played(answering(FileWrapper(file), [("Content-Length", "4")]), sends_files=True).exchange.rest
        assert part is not None
        assert part.size == 4


def test_a_file_shorter_than_content_length_is_500(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        played = Played(answering(FileWrapper(file), [("Content-Length", "11")]), sends_files=True)
        assert played.status.startswith("500")
        assert file.closed


def test_what_is_no_file_of_the_system_is_read() -> None:
    file = io.BytesIO(b"abc" * 50_000)
    played = Played(answering(FileWrapper(file), [("Content-Length", "150000")]), sends_files=True)
    assert played.body == b"abc" * 50_000
    assert file.closed
    assert Played(answering(FileWrapper(io.BytesIO(b"abcd"), 3))).body == b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"


@pytest.mark.parametrize("block_size", [3, 4, 8, 8192])
def test_content_length_bounds_a_file_that_is_read(block_size: int) -> None:
    """PEP 3333, optional file handling: until the end, or until Content-Length bytes are written."""
    file = io.BytesIO(b"0123456789")
    file.read(1)
    played = Played(answering(FileWrapper(file, block_size), [("content-length", "8")]))
    assert played.body == b"12345678"
    assert played.exchange.keep_alive
    assert file.closed


def test_content_length_bounds_what_write_and_a_file_send_together() -> None:
    def app(environ: Any, start_response: Any) -> FileWrapper:
        start_response("200 OK", [("Content-Length", "4")])(b"ab")
        return FileWrapper(io.BytesIO(b"0123456789"))

    assert Played(app).body == b"ab01"


def test_a_file_that_decodes_what_it_reads_is_read(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"plain"))
    with gzip.open(path) as file:
        assert Played(answering(FileWrapper(file)), sends_files=True).body == b"5\r\nplain\r\n0\r\n\r\n"


def test_a_wrapped_file_wrapper_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        played = Played(answering((block for block in FileWrapper(file, 4)), [("Content-Length", "7")]))
        assert played.body == b"content"


# -- the standard library's judge -----------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["GET /a?b=c HTTP/1.1", "HEAD / HTTP/1.1", "POST / HTTP/1.0"])
def test_wsgiref_finds_nothing_wrong(line: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(10)
        content = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"ok" + body
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [content]

    played = Played(validator(app), line)
    assert played.error is None
    assert played.status == "200 OK"


def test_an_access_log_sees_the_headers_that_were_sent() -> None:
    assert Played(answering([b"x"], [("X-A", "b")])).exchange.header_bytes() == [(b"x-a", b"b")]
    failed = Played(answering([b"x"], [("X-A", "b\n")]))
    assert failed.status == "500 Internal Server Error"
    assert failed.exchange.header_bytes() == [(b"content-type", b"text/plain; charset=utf-8")]
