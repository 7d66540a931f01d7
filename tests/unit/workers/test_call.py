"""A call as it begins: made in one step, and still all that a response and an exchange are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hybrid.http.limits import Limits
from hybrid.http.request import Request
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response
from hybrid.wsgi import Exchange
from hybrid_workers.call import Call, Outcome, begin
from hybrid_workers.connection import Connection
from hybrid_workers.wsgi_service import WsgiService


def request() -> Request:
    return HeadParser(HttptoolsFields(), Limits()).parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def begun(*, keeps_alive: bool = True) -> Call:
    environs = SimpleNamespace(of=lambda _request, template: dict(template))
    row = SimpleNamespace(begin=lambda *_: 4096)
    service: Any = SimpleNamespace(
        prefixes=Prefixes(), environs=environs, ledger=None, row=row, keeps_alive=keeps_alive, sends_files=True
    )
    connection: Any = SimpleNamespace(prefixes=None, template={}, host=b"192.0.2.1", call=None)
    return begin(cast("WsgiService", service), cast("Connection", connection), request(), 5.0, 0.0, False)


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
