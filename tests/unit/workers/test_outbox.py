"""When finished answers may wait for each other."""

from __future__ import annotations

from hybrid_workers.outbox import FAST_S, PATIENCE_S, RECENT, Haste

FAST = FAST_S / 10
SLOW = FAST_S * 2


def proven(now: float = 100.0) -> tuple[Haste, float]:
    """After as many fast requests, each alone in its batch, as it takes to trust them."""
    haste = Haste()
    for _ in range(RECENT):
        haste.begins(now)
        haste.ends(now + FAST)
        now += 1.0
    return haste, now


def test_nothing_is_held_before_requests_have_been_seen_to_be_fast() -> None:
    haste = Haste()
    assert not haste.begins(1.0)
    for number in range(1, RECENT):
        assert not haste.begins(1.0 + number * 1e-6)
    assert haste.begins(1.0 + RECENT * 1e-6)


def test_answers_are_held_where_calls_have_been_fast() -> None:
    haste, now = proven()
    assert haste.begins(now)
    assert haste.begins(now + FAST)


def test_one_slow_call_ends_it_until_enough_fast_ones_have_followed() -> None:
    haste, now = proven()
    haste.begins(now)
    assert not haste.begins(now + SLOW)
    haste.ends(now + SLOW + FAST)
    for number in range(1, RECENT):
        assert not haste.begins(now + number)
        haste.ends(now + number + FAST)
    assert haste.begins(now + RECENT)


def test_the_last_call_of_a_batch_counts_too() -> None:
    haste, now = proven()
    haste.begins(now)
    haste.ends(now + SLOW)
    assert not haste.begins(now + 1.0)


def test_the_time_between_two_batches_is_no_slowness() -> None:
    haste, now = proven()
    haste.begins(now)
    haste.ends(now + FAST)
    assert haste.begins(now + 3600.0)


def test_nothing_is_held_for_longer_than_the_patience() -> None:
    haste, now = proven()
    step = FAST_S / 2
    held_until = max(number for number in range(100) if haste.begins(now + number * step))
    assert held_until * step <= PATIENCE_S
    haste.sent(now + 100 * step)
    assert haste.begins(now + 100.5 * step)


def test_a_batch_without_requests_changes_nothing() -> None:
    haste, now = proven()
    haste.ends(now)
    haste.ends(now + 50.0)
    assert haste.begins(now + 60.0)
