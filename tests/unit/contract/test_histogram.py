"""Latencies in buckets."""

from __future__ import annotations

import random

import pytest

from hybrid.contract.histogram import BUCKETS, Histogram, bucket_of, upper_bound


def test_buckets_are_in_order_and_without_gaps() -> None:
    bounds = [upper_bound(index) for index in range(BUCKETS)]
    assert bounds == sorted(bounds)
    for index, bound in enumerate(bounds[:-2]):
        assert bucket_of(bound * 0.999) == index
        assert bucket_of(bound * 1.001) == index + 1


@pytest.mark.parametrize(("seconds", "index"), [(0.0, 0), (0.000_063, 0), (133.0, BUCKETS - 2), (1e9, BUCKETS - 1)])
def test_ends(seconds: float, index: int) -> None:
    assert bucket_of(seconds) == index


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_percentile_is_within_an_eighth(percent: int) -> None:
    random_ = random.Random(6)
    values = sorted(random_.lognormvariate(-4, 1) for _ in range(20_000))
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = values[int(len(values) * percent / 100)]
    assert exact * 0.99 <= histogram.percentile(percent) <= exact * 1.126


def test_nothing_counted_is_zero() -> None:
    assert Histogram().percentile(99) == 0.0


def test_what_is_off_the_scale_has_its_end_as_percentile() -> None:
    histogram = Histogram()
    histogram.record(1e9)
    assert histogram.percentile(50) == upper_bound(BUCKETS - 2)


def test_how_many_were_above() -> None:
    histogram = Histogram()
    for milliseconds in (1, 10, 100, 1000):
        histogram.record(milliseconds / 1000)
    assert [histogram.above(at) for at in (0.0005, 0.005, 0.1, 0.5, 2.0)] == [4, 3, 1, 1, 0]


def test_difference_and_sum() -> None:
    first, second = Histogram(), Histogram()
    first.record(0.001)
    second.record(0.001)
    second.record(1.0)
    assert second.since(first).total == 1
    assert second.since(first).percentile(50) == pytest.approx(1.0, rel=0.13)
    assert first.since(second).total == 1, "a row that was reset counts from zero"
    assert Histogram.added([first, second]).total == 3
    assert Histogram.added([]).total == 0
