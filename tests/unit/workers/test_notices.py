"""Log lines that clients can cause."""

from __future__ import annotations

from hybrid_workers.notices import MOST, PERIOD_S, Notices


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_kind_is_said_once_a_minute_of_one_client() -> None:
    said: list[str] = []
    clock = Clock()
    notices = Notices(said.append, clock)
    for _ in range(3):
        notices.tell("plain", "192.0.2.1", "one")
    notices.tell("plain", "192.0.2.2", "two")
    notices.tell("handshake", "192.0.2.1", "three")
    clock.now = PERIOD_S
    notices.tell("plain", "192.0.2.1", "four")
    assert said == ["one", "two", "three", "four"]


def test_many_clients_cannot_fill_the_log_and_what_was_left_out_is_counted() -> None:
    said: list[str] = []
    clock = Clock()
    notices = Notices(said.append, clock)
    for number in range(MOST + 30):
        notices.tell("plain", f"192.0.2.{number}", "line")
    assert said == ["line"] * MOST
    clock.now = PERIOD_S
    notices.tell("plain", "192.0.2.1", "line")
    assert said[MOST].startswith("30 more lines")
