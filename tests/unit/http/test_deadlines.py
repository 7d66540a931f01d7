"""How long a client may take: no rule can be stretched by a byte now and then."""

from __future__ import annotations

from math import inf

import pytest

from hybrid.http.deadlines import Deadlines, Pace
from hybrid.settings import Settings


def test_zero_means_no_deadline_except_for_keep_alive() -> None:
    settings = Settings(first_byte_timeout=0, header_timeout=0, body_timeout=0, write_timeout=0, keepalive=0)
    found = Deadlines.from_settings(settings)
    assert (found.first_byte, found.head, found.body, found.write) == (inf, inf, inf, inf)
    assert found.keepalive == 0


def test_a_body_may_be_silent_for_its_timeout() -> None:
    assert Deadlines(body=30, body_min_rate=240).body_pace().patience(1_000_000, 10.0) == 30


def test_a_slow_body_has_one_period_and_no_more() -> None:
    pace = Deadlines(body=30, body_min_rate=240).body_pace()
    assert pace.patience(0, 0.0) == 30
    assert pace.patience(10, 10.0) == 20
    assert pace.patience(30, 30.0) == 0


@pytest.mark.parametrize("second", range(31, 200, 13))
def test_a_byte_a_second_does_not_stretch_it(second: int) -> None:
    assert Deadlines(body=30, body_min_rate=240).body_pace().patience(second, float(second)) < 0


def test_a_fair_rate_goes_on_for_ever() -> None:
    pace = Pace(30, 240)
    for second in range(0, 20_000, 15):
        assert pace.patience(second * 250, float(second)) > 0


@pytest.mark.parametrize("before", [10_000, 10**6, 10**12])
def test_what_went_fast_before_saves_nothing_up(before: int) -> None:
    pace = Pace(30, 240)
    assert pace.patience(before, 1.0) == 30
    assert pace.patience(before + 29, 30.0) == 1
    assert pace.patience(before + 30, 31.0) == 0


def test_time_for_which_nobody_waits_does_not_count() -> None:
    """The totals are of waiting: an application that takes an hour between two reads changes neither."""
    pace = Pace(30, 240)
    assert pace.patience(100, 5.0) == pace.patience(100, 5.0) == 25


def test_without_a_rate_only_silence_counts() -> None:
    pace = Pace(30, 0)
    assert pace.patience(1, 1e6) == 30
    assert pace.patience(1, 1e6 + 30) == 0
    assert pace.patience(2, 1e6 + 30) == 30


def test_without_a_timeout_there_is_no_period_to_count_in() -> None:
    assert Pace(inf, 240).patience(1, 1e6) == inf


def test_a_second_body_begins_anew() -> None:
    pace = Pace(30, 240)
    assert pace.patience(0, 29.0) == 1
    pace.restart()
    assert pace.patience(0, 0.0) == 30
