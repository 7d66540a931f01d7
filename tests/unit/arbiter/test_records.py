"""The log lines about children: gunicorn's words first, then fields."""

from dataclasses import replace

from hybrid.arbiter.actions import Level
from hybrid.arbiter.records import death, silence
from hybrid.arbiter.state import Child, Plan, Signal, Stage
from hybrid.contract.scoreboard import InFlight

CHILD = Child(
    pool="main",
    slot=1,
    generation=2,
    plan=Plan(size=1),
    stage=Stage.READY,
    since=90.0,
    pid=77,
    beat=95.0,
    ready_at=90.0,
)
REQUEST = InFlight(started=93.0, method="POST", target="/pay?x=\x1b[31m", client="192.0.2.1")


def test_timeout_names_the_requests_in_flight() -> None:
    assert silence(CHILD, 5.0, [REQUEST], 100.0) == (
        "WORKER TIMEOUT (pid:77) pool=main slot=1 gen=2 silent_s=5.0"
        " in_flight=[POST /pay?x=?[31m from 192.0.2.1 for 7.0 s]"
    )


def test_boot_timeout_names_the_setting() -> None:
    text = silence(replace(CHILD, stage=Stage.BOOTING), 120.0, [], 100.0)
    assert text.startswith("WORKER BOOT TIMEOUT (pid:77)")
    assert "--boot-timeout" in text


def test_sigkill_from_outside_may_be_the_memory_killer() -> None:
    level, text = death(CHILD, None, "SIGKILL", [], 100.0)
    assert level is Level.ERROR
    assert text.startswith("Worker (pid:77) was sent SIGKILL! Perhaps out of memory? pool=main slot=1 gen=2")


def test_our_own_sigkill_is_not_called_lack_of_memory() -> None:
    child = replace(CHILD, sent=Signal.KILL, why="graceful timeout")
    _, text = death(child, None, "SIGKILL", [REQUEST], 100.0)
    assert "memory" not in text
    assert "cause='graceful timeout'" in text
    assert "POST /pay" in text


def test_exit_as_told_is_no_news() -> None:
    child = replace(CHILD, stage=Stage.DRAINING, sent=Signal.TERM, why="stop")
    assert death(child, 0, "", [], 100.0)[0] is Level.DEBUG


def test_exit_of_its_own_accord_is() -> None:
    assert death(CHILD, 0, "", [], 100.0)[0] is Level.WARNING
    level, text = death(CHILD, 255, "", [], 100.0)
    assert level is Level.ERROR
    assert text.startswith("Worker (pid:77) exited with code 255. pool=main")
    assert "served_s=10.0" in text


def test_a_long_list_of_requests_is_cut() -> None:
    text = silence(CHILD, 5.0, [REQUEST] * 20, 100.0)
    assert text.count("POST /pay") == 8
    assert "and 12 more" in text
