"""When the fuse blows, and when it must not."""

from __future__ import annotations

import random

import pytest

from hybrid.contract.histogram import Histogram
from hybrid.errors import SettingsError
from hybrid.routing.fuse import Fuse, Limit, Sample, evaluate, is_beyond_chance, parse_fuse

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
    assert evaluate(limits, sample(1000, 80), sample(1000, 10)) is not None
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


@pytest.mark.parametrize(
    ("count", "of", "rate", "is_beyond"),
    [
        (0, 100, 0.02, False),
        (2, 100, 0.02, False),
        (7, 100, 0.02, False),  # once in 250 times
        (10, 100, 0.02, True),
        (4, 20, 0.02, False),
        (5, 20, 0.02, True),
        (1, 20, 0.0, True),
        (100, 100, 0.5, True),
        (26_000, 1_000_000, 0.02, True),
        (20_300, 1_000_000, 0.02, False),
    ],
)
def test_chance(count: int, of: int, rate: float, is_beyond: bool) -> None:
    assert is_beyond_chance(count, of, rate) is is_beyond


@pytest.mark.parametrize("seed", range(12))
def test_noise_does_not(seed: int) -> None:
    """Half an hour of two pools that behave alike; the new one has a tenth of the requests, many are slow by chance."""
    random_ = random.Random(seed)
    fuse = Fuse(parse_fuse("error-rate>2%,error-rate>3x,p50>1.5x,p95>1.5x,p99>2x,p95>1s"), window=30)
    rate, errors = random_.choice([2, 10, 40]), random_.choice([0.001, 0.01, 0.015])
    new, old = [0, 0, Histogram()], [0, 0, Histogram()]
    for now in range(1800):
        for counts, times in ((new, 1), (old, 9)):
            for _ in range(random_.randrange(rate * times // 5 + 2)):
                counts[0] += 1
                counts[1] += random_.random() < errors
                counts[2].record(min(0.5, random_.lognormvariate(-4, 1)))
        trip = fuse.observe(now, *(Sample(c[0], c[1], Histogram(list(c[2].counts))) for c in (new, old)))
        assert trip is None, f"after {now} s: {trip}"


def test_a_slower_pool_blows_it_within_the_window() -> None:
    random_ = random.Random(1)
    fuse = Fuse(parse_fuse("p95>1.5x"), window=30)
    new, old = Histogram(), Histogram()
    blown = None
    for now in range(100):
        for _ in range(45):
            old.record(random_.lognormvariate(-4, 0.5))
        for _ in range(5):
            new.record(random_.lognormvariate(-4, 0.5) * (3 if now >= 50 else 1))
        samples = [Sample(one.total, 0, Histogram(list(one.counts))) for one in (new, old)]
        blown = blown or (fuse.observe(now, *samples) and now)
    assert blown is not None
    assert 50 <= blown <= 65


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
