from __future__ import annotations

from hybrid.websocket import Keepalive, Verdict

NOTHING, PING, DEAD = Verdict.NOTHING, Verdict.PING, Verdict.DEAD


def test_ping_is_due_after_the_interval() -> None:
    keepalive = Keepalive(20, 10, now=100)
    assert keepalive.check(119.9, b"") is NOTHING
    assert keepalive.check(120.0, b"") is PING
    assert keepalive.check(120.1, b"") is NOTHING


def test_unanswered_ping_is_fatal_after_the_timeout() -> None:
    keepalive = Keepalive(20, 10, now=0)
    keepalive.check(20, b"")
    assert keepalive.check(29.9, b"") is NOTHING
    assert keepalive.check(30, b"") is DEAD


def test_answered_ping_is_followed_by_the_next() -> None:
    keepalive = Keepalive(20, 10, now=0)
    for at in (20.0, 40.0, 60.0):
        assert keepalive.check(at, keepalive.payload) is PING
        assert keepalive.check(at + 9, keepalive.payload) is NOTHING
        assert keepalive.check(at + 11, keepalive.payload) is NOTHING


def test_answer_to_an_earlier_ping_is_none_to_this_one() -> None:
    keepalive = Keepalive(20, 10, now=0)
    keepalive.check(20, b"")
    old = keepalive.payload
    keepalive.check(25, old)
    assert keepalive.check(40, old) is PING
    assert keepalive.check(50, old) is DEAD


def test_timeout_longer_than_the_interval() -> None:
    keepalive = Keepalive(5, 20, now=0)
    assert [keepalive.check(at, b"") for at in (5, 10, 15, 20)] == [PING] * 4
    assert keepalive.check(24.9, b"") is NOTHING
    assert keepalive.check(25, b"") is DEAD


def test_time_starts_anew_while_no_answer_can_arrive() -> None:
    keepalive = Keepalive(20, 10, now=0)
    keepalive.check(20, b"")
    assert keepalive.check(39, b"", is_excused=True) is NOTHING
    assert keepalive.check(48, b"") is PING
    assert keepalive.check(49, b"") is DEAD


def test_pings_go_on_while_no_answer_can_arrive() -> None:
    keepalive = Keepalive(20, 10, now=0)
    assert [keepalive.check(at, b"", is_excused=True) for at in (20, 30, 40, 60)] == [PING, NOTHING, PING, PING]


def test_no_interval_no_ping() -> None:
    assert Keepalive(0, 10, now=0).check(1e9, b"") is NOTHING


def test_no_timeout_pings_for_ever() -> None:
    keepalive = Keepalive(20, 0, now=0)
    assert [keepalive.check(at, b"") for at in (20, 30, 40, 60)] == [PING, NOTHING, PING, PING]


def test_standstill_of_the_loop_is_given_back() -> None:
    keepalive = Keepalive(20, 10, now=0)
    keepalive.check(20, b"")
    keepalive.postpone(100)
    assert keepalive.check(129, b"") is NOTHING
    assert keepalive.check(130, b"") is DEAD
