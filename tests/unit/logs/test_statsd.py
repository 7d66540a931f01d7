"""Metrics: gunicorn's names, few datagrams."""

from __future__ import annotations

import logging

import pytest

from hybrid.errors import SettingsError
from hybrid.logs.statsd import Statsd, StatsdAccess, StatsdHandler
from hybrid.logs.views import RequestView


class Sent(Statsd):
    """Keeps what would be sent."""

    def __init__(self, prefix: str = "", tags: str = "") -> None:
        super().__init__("127.0.0.1:9", prefix, tags)
        self.close()
        self.batches: list[str] = []

    def _send(self, text: str) -> None:
        self.batches.append(text)


class Asked:
    method, target, path, query, version, headers = "GET", b"/", b"/", b"", 1, []


def test_requests_are_summed_and_timed() -> None:
    statsd = Sent()
    access = StatsdAccess(statsd, None)
    for status in (200, 200, 500):
        access.log(Asked(), status, 1, 0.0125, "")
    assert not statsd.batches
    access.flush()
    assert statsd.batches == [
        "gunicorn.requests:3|c\ngunicorn.request.status.200:2|c\ngunicorn.request.status.500:1|c\n"
        + "\n".join(["gunicorn.request.duration:12.5|ms"] * 3)
    ]
    access.flush()
    assert len(statsd.batches) == 1


def test_many_metrics_are_cut_into_datagrams_at_lines() -> None:
    statsd = Sent()
    access = StatsdAccess(statsd, None)
    for _ in range(500):
        access.log(Asked(), 200, 1, 0.001, "")
    access.flush()
    assert len(statsd.batches) > 5
    assert all(len(batch) <= 1400 for batch in statsd.batches)
    assert sum(batch.count("duration") for batch in statsd.batches) == 500


@pytest.mark.parametrize("prefix", ["pre", "pre.", "pre.."])
def test_prefix_and_tags(prefix: str) -> None:
    assert Sent(prefix, "a:b,c:d").metric("gunicorn.workers", 3, "g") == "pre.gunicorn.workers:3|g|#a:b,c:d"


def test_messages_are_counted_by_level_and_may_carry_a_metric() -> None:
    statsd = Sent()
    logger = logging.Logger("x")
    logger.addHandler(StatsdHandler(statsd))
    logger.info("nothing")
    logger.warning("one")
    try:
        raise ValueError
    except ValueError:
        logger.exception("two")
    logger.debug("", extra={"metric": "mine", "value": 2, "mtype": "histogram"})
    assert statsd.batches == ["gunicorn.log.warning:1|c", "gunicorn.log.exception:1|c", "mine:2|h"]


@pytest.mark.parametrize("host", ["localhost", "localhost:x", ":1"])
def test_a_bad_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="expected HOST:PORT or unix://PATH"):
        Statsd(host)


def test_a_view_of_a_request_takes_notes() -> None:
    view = RequestView(Asked())
    view.__dict__["started"] = 1.0
    assert view.uri == "/"
