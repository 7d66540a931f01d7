"""How long a client may take: no rule can be stretched by a byte now and then."""

from __future__ import annotations

from math import inf

import pytest

from hybrid.http.deadlines import HELD_RATE, HELD_S, WARY_S, Deadlines, held_patience
from hybrid.settings import Settings


def test_zero_means_no_deadline_except_for_keep_alive() -> None:
    settings = Settings(first_byte_timeout=0, header_timeout=0, body_timeout=0, write_timeout=0, keepalive=0)
    found = Deadlines.from_settings(settings)
    assert (found.first_byte, found.head, found.body, found.write) == (inf, inf, inf, inf)
    assert found.keepalive == 0


def test_a_body_may_be_silent_for_its_timeout() -> None:
    assert Deadlines(body=30, body_min_rate=240).body_patience(received=1_000_000, waited=10) == 30


def test_a_slow_body_has_the_grace_and_no_more() -> None:
    rules = Deadlines(body=30, body_min_rate=240)
    assert rules.body_patience(received=0, waited=0) == 30
    assert rules.body_patience(received=10, waited=10) == 20
    assert rules.body_patience(received=30, waited=30) == 0


@pytest.mark.parametrize("second", range(31, 200, 13))
def test_a_byte_a_second_does_not_stretch_it(second: int) -> None:
    assert Deadlines(body=30, body_min_rate=240).body_patience(received=second, waited=second) < 0


@pytest.mark.parametrize("second", range(31, 2000, 130))
def test_a_body_at_a_fair_rate_goes_on(second: int) -> None:
    assert Deadlines(body=30, body_min_rate=240).body_patience(received=second * 1000, waited=second) == 30


def test_without_a_rate_only_silence_counts() -> None:
    assert Deadlines(body=30, body_min_rate=0).body_patience(received=1, waited=1e6) == 30


def test_without_a_body_timeout_there_is_no_grace_to_count_from() -> None:
    assert Deadlines(body=inf, body_min_rate=240).body_patience(received=1, waited=1e6) == inf


def test_a_body_that_holds_up_others_has_a_second_and_then_a_rate_to_keep() -> None:
    assert held_patience(0, 0.0, is_wary=False) == HELD_S
    assert held_patience(100, HELD_S, is_wary=False) == 0
    assert held_patience(int(HELD_RATE) * 10, 4.0, is_wary=False) == 6.0


def test_it_has_less_where_others_have_made_use_of_that() -> None:
    assert held_patience(0, 0.0, is_wary=True) == WARY_S
