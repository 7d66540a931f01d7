"""Requests sent ahead, with the client's FIN right behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.workers.wire import Client, get

HERE = Path(__file__).parent
CLASSES = {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "2"), "gevent": ("-k", "gevent")}


@pytest.mark.parametrize("kind", CLASSES)
def test_requests_sent_before_a_fin_are_all_answered(serve: Serve, kind: str) -> None:
    server = serve("wsgi_app:app", *CLASSES[kind], folder=HERE)
    server.wait_ready()
    for _ in range(30):
        with server.connected() as sock:
            client = Client(sock)
            client.send(get("/") * 5)
            client.end()
            assert [client.hear().status for _ in range(5)] == [200] * 5
            assert client.is_closed


@pytest.mark.parametrize("kind", CLASSES)
def test_who_sends_too_many_ahead_is_told_that_the_connection_closes(serve: Serve, kind: str) -> None:
    server = serve("wsgi_app:app", *CLASSES[kind], "--limit-pipelined", "3", folder=HERE)
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/") * 9)
        answers = [client.hear()]
        while "connection" not in answers[-1].headers:
            answers.append(client.hear())
        assert {answer.status for answer in answers} == {200}
        assert len(answers) == 4
        assert client.is_closed
