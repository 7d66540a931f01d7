from hybrid.arbiter.policy import STEADY_S, Backoff, after_death, delay_after, drain_deadline, silent_at


def test_delay_doubles_up_to_half_a_minute() -> None:
    assert [delay_after(deaths) for deaths in range(8)] == [0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert delay_after(50) == delay_after(10_000) == 30.0


def test_a_worker_that_served_well_ends_the_row() -> None:
    assert after_death(Backoff(7, 0.0), ready_s=STEADY_S, now=100.0) == Backoff(0, 100.0)


def test_a_quiet_time_ends_the_row() -> None:
    backoff = Backoff(5, until=100.0)
    assert after_death(backoff, ready_s=1.0, now=101.0).deaths == 6
    assert after_death(backoff, ready_s=1.0, now=100.0 + delay_after(5) + STEADY_S + 1.0).deaths == 1


def test_kills_from_outside_never_make_a_pool_wait_for_long() -> None:
    backoff = Backoff()
    for _ in range(50):
        backoff = after_death(backoff, ready_s=0.2, now=100.0, is_killed=True)
    assert backoff == Backoff(2, 100.0 + delay_after(2))
    assert after_death(Backoff(5, 100.0), ready_s=None, now=100.0, is_killed=True).deaths == 6
    assert after_death(Backoff(5, 100.0), ready_s=1.0, now=100.0, is_killed=True) == Backoff(0, 100.0)


def test_deadlines() -> None:
    assert silent_at(100.0, 30.0) == 130.0
    assert silent_at(100.0, 0.0) is None
    assert drain_deadline(30.0, 100.0) > 130.0
