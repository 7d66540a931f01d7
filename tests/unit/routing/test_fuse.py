"""When the fuse blows, and when it must not."""

from __future__ import annotations

import random

import pytest

from hybrid.errors import SettingsError
from hybrid.routing.fuse import Fuse, Limit, Sample, evaluate, parse_fuse
from hybrid.contract.histogram import Histogram

LIMITS = parse_fuse("error-rate>2%,p95>1.5x,loop-lag>0.5s")


def sample(requests: int, errors: int = 0, latency: float = 0.01, loop_lag: float = 0.0) -> Sample:
    histogram = Histogram()
    for _ in range(requests):
        histogram.record(latency)
    return Sample(requests, errors, histogram, loop_lag)


def test_text() -> None:
    assert (Limit("error-rate", 0.02, "%"), Limit("p95", 1.5, "x"), Limit("loop-lag", 0.5, "s")) == LIMITS
    assert parse_fuse("p99 > 250ms") == (Limit("p99", 0.25, "s"),)
    assert ",".join(map(str, LIMITS)) == "error-rate>2%,p95>1.5x,loop-lag>0.5s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected METRIC>AMOUNT"),
        ("error-rate<2%", "expected METRIC>AMOUNT"),
        ("error-rate>2", "expected METRIC>AMOUNT"),
        ("errors>2%", "there is no metric 'errors'; there are error-rate"),
        ("p95>2%", "p95 is in s or x"),
        ("loop-lag>2x", "loop-lag is in s"),
        ("p95>2x,p95>3x", "p95 is there twice"),
    ],
)
def test_bad_text_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_fuse(text)


@pytest.mark.parametrize(
    ("new", "old", "metric"),
    [
        (sample(100), sample(1000), None),
        (sample(0), sample(0), None),
        (sample(100, 10), sample(1000), "error-rate"),
        (sample(100, 10), sample(0), "error-rate"),
        (sample(100, 10), sample(1000, 120), None),  # both fail: going back would not help
        (sample(10, 3), sample(1000), None),  # too few to tell
        (sample(30, 1), sample(1000), None),  # 3.3 %, but one failure is chance
        (sample(10_000, 210), sample(10_000), None),  # 2.1 %: within what chance makes of 2 %
        (sample(10_000, 260), sample(10_000), "error-rate"),
        (sample(100, latency=0.02), sample(1000), "p95"),
        (sample(100, latency=0.014), sample(1000), None),
        (sample(100, latency=0.02), sample(5), None),  # nothing to compare with
        (sample(100, loop_lag=0.6), sample(1000), "loop-lag"),
        (sample(3, loop_lag=0.6), sample(0), "loop-lag"),
    ],
)
def test_verdict(new: Sample, old: Sample, metric: str | None) -> None:
    trip = evaluate(LIMITS, new, old)
    assert (trip and trip.limit.metric) == metric


def test_error_rate_may_be_relative() -> None:
    limits = parse_fuse("error-rate>2x")
    assert evaluate(limits, sample(1000, 60), sample(1000, 10)) is not None
    assert evaluate(limits, sample(1000, 21), sample(1000, 10)) is None
    assert evaluate(limits, sample(1000, 60), sample(0)) is None


def test_evidence_is_in_the_reason() -> None:
    assert str(evaluate(LIMITS, sample(100, 10), sample(1000, 1))) == (
        "error-rate>2%: 10.0% of 100 requests, other pool 0.1% of 1000"
    )


def run(fuse: Fuse, seconds: int, regression_at: float, rate: float = 0.1) -> float | None:
    """Play traffic of 50 requests a second; when the fuse blew."""
    random_ = random.Random(1)
    requests = errors = 0
    for now in range(seconds):
        requests += 50
        errors += sum(random_.random() < (rate if now >= regression_at else 0.005) for _ in range(50))
        if fuse.observe(now, Sample(requests, errors), Sample(requests * 9, 0)) is not None:
            return now
    return None


def test_regression_blows_it_within_the_window() -> None:
    blown = run(Fuse(LIMITS, window=30), 300, regression_at=200)
    assert blown is not None
    assert 200 <= blown <= 230


def test_background_of_errors_below_the_limit_does_not() -> None:
    assert run(Fuse(LIMITS, window=30), 2000, regression_at=9999) is None


def test_old_failures_leave_the_window() -> None:
    fuse = Fuse(parse_fuse("error-rate>50%"), window=10)
    fuse.observe(0, Sample(0, 0), Sample())
    fuse.observe(1, Sample(19, 19), Sample())
    assert fuse.observe(20, Sample(119, 19), Sample()) is None
    assert fuse.observe(21, Sample(139, 19), Sample()) is None


def test_it_blows_once_until_it_is_mended() -> None:
    fuse = Fuse(LIMITS)
    fuse.observe(0, Sample(), Sample())
    assert fuse.observe(1, sample(100, 50), Sample()) is not None
    assert fuse.observe(2, sample(200, 100), Sample()) is None
    assert fuse.blown is not None
    fuse.reset()
    assert fuse.blown is None
    fuse.observe(3, sample(200, 100), Sample())
    assert fuse.observe(4, sample(300, 150), Sample()) is not None


def test_counters_of_a_replaced_worker_start_again() -> None:
    fuse = Fuse(LIMITS)
    fuse.observe(0, sample(1000, 900), Sample())
    assert fuse.observe(1, sample(50, 0), Sample()) is None
