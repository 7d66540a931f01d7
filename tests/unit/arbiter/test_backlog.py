"""How many connections wait for accept: when it is told, and what counts."""

from __future__ import annotations

import logging
import socket

import pytest

from hybrid.arbiter.backlog import PERIOD_S, BacklogMeter, waiting_on


def test_it_is_told_once_a_second_as_a_histogram(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.backlog")
    caplog.set_level(logging.DEBUG, log.name)
    meter = BacklogMeter(log)
    assert meter.look([], None, 100.0) == 100.0 + PERIOD_S
    assert meter.look([], 100.5, 100.2) == 100.5
    assert len(caplog.records) == 1
    fields = vars(caplog.records[0])
    assert (fields["metric"], fields["value"], fields["mtype"]) == ("gunicorn.backlog", 0, "histogram")
    meter.look([], 200.0, 101.0)
    assert len(caplog.records) == 2


def test_a_unix_socket_and_one_that_does_not_listen_count_nothing() -> None:
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as fresh:
        assert waiting_on(unix) == waiting_on(fresh) == 0
    assert waiting_on(fresh) == 0
