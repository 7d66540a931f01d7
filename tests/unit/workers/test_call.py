"""A call as it begins: made in one step, and still all that a response and an exchange are."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hybrid.contract.scoreboard import Scoreboard
from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.proxies import ProxyRules, introduce
from hybrid.http.request import Request
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.receiver import Receiver
from hybrid.http1.response import Prefixes, Response
from hybrid.settings import Settings
from hybrid.wsgi import App, Environs, Exchange
from hybrid_workers.call import Call, Outcome, begin
from hybrid_workers.connection import Connection
from hybrid_workers.wsgi_service import WsgiService

PEER = Peer(("192.0.2.1", 5), ("127.0.0.1", 80))


def introduced() -> Request:
    request = HeadParser(HttptoolsFields(), Limits()).parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    introduce(request, PEER, ProxyRules(Settings(), print))
    return request


def serving(*, keeps_alive: bool = True) -> Any:
    """What calls need of a service to begin."""
    service: Any = WsgiService.__new__(WsgiService)
    service.prefixes = Prefixes()
    service.environs = Environs(errors=io.StringIO(), is_multithread=False, is_multiprocess=False)
    service.ledger = None
    service.row = Scoreboard(1).row(0)
    service.row.take(1, 0, 0.0)
    service.keeps_alive = keeps_alive
    service.sends_files = True
    return service


def begun(*, keeps_alive: bool = True) -> Call:
    service = serving(keeps_alive=keeps_alive)
    connection: Any = Connection.__new__(Connection)
    connection.prefixes = None
    connection.template = service.environs.template(PEER)
    connection.host = b"192.0.2.1"
    connection.call = None
    return begin(service, connection, introduced(), 5.0, 0.0, False)


def test_a_call_begins_as_a_response_and_an_exchange_do() -> None:
    call = begun()
    model = Exchange(call.request, Prefixes(), lambda piece: None)
    own = {"request", "_prefixes", "_send", "_sends_files", "is_plain", "__dict__"}
    for name in {*Response.__slots__, *Exchange.__slots__} - own:
        assert getattr(call, name) == getattr(model, name), name


def test_a_call_knows_that_it_has_not_run_and_where_it_came_from() -> None:
    call = begun()
    assert call.outcome is Outcome.WAITING
    assert call.connection.call is call
    assert call.environ["wsgi.early_hints"] == call.early_hints


def test_a_call_of_a_worker_that_stops_is_the_last_of_its_connection() -> None:
    assert begun().keep_alive
    assert not begun(keeps_alive=False).keep_alive


class Answer:
    """What frameworks return: an iterable of one piece, with a close()."""

    def __init__(self, said: list[str], *pieces: bytes, raises: Exception | None = None) -> None:
        self._said = said
        self._pieces = pieces
        self._raises = raises

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        self._said.append("closed")
        if self._raises is not None:
            raise self._raises


@contextmanager
def held_back(app: App) -> Iterator[tuple[Call, socket.socket]]:
    """A call whose answer may be held back, and the client's end of its connection."""
    service = serving()
    service.app = app
    service.is_asked_before = service.keeps_environ = service.beats_with_pieces = False
    service.log = logging.getLogger("test_call")
    ours, client = socket.socketpair()
    with ours, client:
        ours.setblocking(False)
        client.setblocking(False)
        receiver = Receiver(HeadParser(HttptoolsFields(), Limits()), Limits())
        connection = Connection(ours, PEER, receiver, Deadlines.from_settings(Settings()))
        yield begin(service, connection, introduced(), 5.0, 5.0, True), client


def answering(answer: Answer, *headers: tuple[str, str]) -> App:
    def app(environ: Any, start_response: Any) -> Answer:
        start_response("200 OK", list(headers))
        return answer

    return app


def test_an_answer_that_is_whole_with_its_first_piece_is_held_and_the_application_told_before_it_is_sent() -> None:
    said: list[str] = []
    with held_back(answering(Answer(said, b"hello"), ("Content-Length", "5"))) as (call, client):
        assert call.run() is Outcome.HELD
        assert said == ["closed"]
        with pytest.raises(BlockingIOError):
            client.recv(1)
        call.release()
        assert call.outcome is Outcome.ANSWERED
        assert client.recv(1000).endswith(b"content-length: 5\r\n\r\nhello")


def test_what_close_raises_is_logged_and_takes_nothing_from_an_answer_that_is_held(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = Answer([], b"hello", raises=ValueError("in close()"))
    with held_back(answering(answer, ("Content-Length", "5"))) as (call, client):
        assert call.run() is Outcome.HELD
        call.release()
        assert client.recv(1000).endswith(b"\r\n\r\nhello")
    assert "in close()" in caplog.text


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [((b"hello",), []), ((b"hel", b"lo"), [("Content-Length", "5")])],
    ids=["without a length", "in two pieces"],
)
def test_an_answer_of_which_more_may_come_is_sent_piece_by_piece(
    pieces: tuple[bytes, ...], headers: list[tuple[str, str]]
) -> None:
    said: list[str] = []
    with held_back(answering(Answer(said, *pieces), *headers)) as (call, client):
        assert call.run() is Outcome.ANSWERED
        assert said == ["closed"]
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
