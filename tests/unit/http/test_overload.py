"""Which requests are shed, and what a load balancer is told."""

from __future__ import annotations

import pytest

from hybrid.http.overload import Load, Overload, claimed_wait
from hybrid.http.request import Request
from hybrid.settings import Settings

NOW = 1_700_000_000.5


def request(path: bytes = b"/", method: str = "GET") -> Request:
    made = Request()
    made.path = path
    made.method = method
    return made


def rules(**settings: object) -> Overload:
    return Overload(Settings(**settings))  # type: ignore[arg-type]  # each test names those that it is about


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        (b"t=1700000000.250", 0.25),
        (b"1700000000.250", 0.25),
        (b"1700000000250", 0.25),
        (b"t=1700000000250", 0.25),
        (b"t=1700000000250000", 0.25),
        (b"1700000000250000000", 0.25),
        (b"t=1700000001.0", 0.0),
        (b"1600000000", 0.0),
        (b"", 0.0),
        (b"t=", 0.0),
        (b"t=-5", 0.0),
        (b"nan", 0.0),
        (b"1e9", 0.0),
        (b"1.7.0", 0.0),
        (b"9" * 400, 0.0),
        ("\u0661".encode(), 0.0),
    ],
)
def test_a_claim_of_a_proxy_is_read_in_every_unit_and_nonsense_is_no_wait(value: bytes, waited: float) -> None:
    assert claimed_wait(value, NOW) == pytest.approx(waited, abs=1e-6)


def test_without_a_setting_no_request_is_judged() -> None:
    assert not rules().is_needed
    assert not rules(health_path=("/healthz",)).is_needed


def test_a_request_that_has_waited_too_long_is_shed() -> None:
    overload = rules(queue_timeout=1.0)
    assert overload.judge(request(), 10**6, 1.0) is None
    verdict = overload.judge(request(), 0, 1.01)
    assert verdict is not None
    assert (verdict.status, verdict.is_shed) == (503, True)


def test_more_requests_at_once_than_the_limit_are_shed() -> None:
    overload = rules(limit_concurrency=2)
    assert overload.judge(request(), 1, 10**6) is None
    assert overload.judge(request(), 2, 0.0) is not None


def test_health_paths_are_exempt_from_both() -> None:
    overload = rules(limit_concurrency=1, queue_timeout=1.0, health_path=("/healthz", "/livez"))
    for path in (b"/healthz", b"/livez"):
        assert overload.judge(request(path), 5, 5.0) is None
    assert overload.judge(request(b"/healthz/more"), 5, 5.0) is not None


def test_readiness_is_asked_by_get_and_head_of_the_one_path() -> None:
    overload = rules(ready_path="/readyz")
    assert overload.asks_readiness(request(b"/readyz"))
    assert overload.asks_readiness(request(b"/readyz", "HEAD"))
    assert not overload.asks_readiness(request(b"/readyz", "POST"))
    assert not overload.asks_readiness(request(b"/"))
    assert not rules(limit_concurrency=1).asks_readiness(request(b""))


@pytest.mark.parametrize(
    ("load", "status"),
    [
        (Load(0), 200),
        (Load(2), 503),
        (Load(2, has_sibling=True, sibling_has_room=True), 200),
        (Load(0, is_stopping=True), 503),
        (Load(0, is_stopping=True, has_sibling=True), 200),
    ],
    ids=["idle", "full", "a sibling has room", "stopping", "only this worker stops"],
)
def test_a_server_is_ready_while_one_of_its_workers_is(load: Load, status: int) -> None:
    verdict = rules(ready_path="/readyz", limit_concurrency=2).readiness(load)
    assert (verdict.status, verdict.is_shed) == (status, False)
