"""A call as it begins: made in one step, and still all that a response and an exchange are."""

from __future__ import annotations

import io
from typing import Any

from hybrid.contract.scoreboard import Scoreboard
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.proxies import ProxyRules, introduce
from hybrid.http.request import Request
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response
from hybrid.settings import Settings
from hybrid.wsgi import Environs, Exchange
from hybrid_workers.call import Call, Outcome, begin
from hybrid_workers.connection import Connection
from hybrid_workers.wsgi_service import WsgiService

PEER = Peer(("192.0.2.1", 5), ("127.0.0.1", 80))


def introduced() -> Request:
    request = HeadParser(HttptoolsFields(), Limits()).parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    introduce(request, PEER, ProxyRules(Settings(), print))
    return request


def begun(*, keeps_alive: bool = True) -> Call:
    service: Any = WsgiService.__new__(WsgiService)
    service.prefixes = Prefixes()
    service.environs = Environs(errors=io.StringIO(), is_multithread=False, is_multiprocess=False)
    service.ledger = None
    service.row = Scoreboard(1).row(0)
    service.row.take(1, 0, 0.0)
    service.keeps_alive = keeps_alive
    service.sends_files = True
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
