"""The record of a death: gunicorn's words first, then whose doing it was, and what the worker was at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybrid.arbiter.actions import Level
from hybrid.arbiter.records import Remains, death, silence
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
TOLD = replace(CHILD, stage=Stage.DRAINING, sent=Signal.TERM, why="stop")
REQUEST = InFlight(started=93.0, method="POST", target="/pay?x=\x1b[31m", client="192.0.2.1", request_id="f00-1")
NOTHING = Remains(was_oom=False)


def test_timeout_names_the_requests_in_flight() -> None:
    assert silence(CHILD, 5.0, [REQUEST], 100.0) == (
        "WORKER TIMEOUT (pid:77) pool=main slot=1 gen=2 silent_s=5.0"
        " in_flight=[POST /pay?x=?[31m from 192.0.2.1 for 7.0 s id=f00-1]"
    )


def test_boot_timeout_names_the_setting() -> None:
    text = silence(replace(CHILD, stage=Stage.BOOTING), 120.0, [], 100.0)
    assert text.startswith("WORKER BOOT TIMEOUT (pid:77)")
    assert "--boot-timeout" in text


@pytest.mark.parametrize(
    ("child", "code", "signal", "was_oom", "kind"),
    [
        (TOLD, 0, "", None, "told"),
        (TOLD, None, "SIGTERM", None, "told"),
        (replace(TOLD, sent=Signal.QUIT), None, "SIGQUIT", None, "told"),
        (replace(TOLD, sent=Signal.KILL, why="graceful timeout"), None, "SIGKILL", None, "deadline"),
        (replace(CHILD, sent=Signal.ABRT, why="timeout"), None, "SIGABRT", None, "deadline"),
        (replace(CHILD, sent=Signal.ABRT, why="timeout"), 1, "", None, "deadline"),
        (replace(CHILD, sent=Signal.KILL, why="memory limit"), None, "SIGKILL", None, "memory-limit"),
        (CHILD, None, "SIGKILL", True, "out-of-memory"),
        (CHILD, None, "SIGKILL", False, "outside-signal"),
        (CHILD, None, "SIGKILL", None, "outside-signal"),
        (CHILD, None, "SIGTERM", False, "outside-signal"),
        (CHILD, None, "SIGSEGV", False, "crash"),
        (TOLD, None, "SIGSEGV", False, "crash"),
        (CHILD, None, "SIGABRT", False, "crash"),
        (CHILD, 0, "", None, "exit"),
        (TOLD, 7, "", None, "exit"),
        (replace(CHILD, has_failed=True), 3, "", None, "boot"),
    ],
)
def test_class_says_whose_doing_it_was(
    child: Child, code: int | None, signal: str, was_oom: bool | None, kind: str
) -> None:
    record = death(child, code, signal, Remains(was_oom=was_oom), 100.0)
    assert record.kind == kind
    assert f" class={kind} " in record.text


def test_record_counts_the_connections_where_clients_may_have_noticed() -> None:
    remains = Remains(connections=7)
    record = death(CHILD, None, "SIGSEGV", remains, 100.0)
    assert record.text.endswith(" connections=7")
    assert record.as_json(103.0)["connections"] == 7
    assert "connections=" not in death(TOLD, None, "SIGTERM", remains, 100.0).text


def test_record_names_requests_memory_and_time() -> None:
    record = death(CHILD, None, "SIGSEGV", Remains([REQUEST], "Thread 1", 50 << 20), 100.0)
    assert record.text == (
        "Worker (pid:77) was sent SIGSEGV! class=crash pool=main slot=1 gen=2 stage=ready served_s=10.0 peak_rss=50M"
        " in_flight=[POST /pay?x=?[31m from 192.0.2.1 for 7.0 s id=f00-1]"
    )
    shown = record.as_json(103.0)
    assert (shown["ago_s"], shown["class"], shown["stacks"]) == (3.0, "crash", "Thread 1")
    assert shown["in_flight"] == [
        {"method": "POST", "target": REQUEST.target, "client": "192.0.2.1", "age_s": 7.0, "request_id": "f00-1"},
    ]


def test_sigkill_without_a_counter_may_be_the_memory_killer() -> None:
    unsure = death(CHILD, None, "SIGKILL", Remains(was_oom=None), 100.0)
    assert unsure.text.startswith("Worker (pid:77) was sent SIGKILL! Perhaps out of memory? class=outside-signal")
    assert "memory" not in death(CHILD, None, "SIGKILL", NOTHING, 100.0).text


def test_levels() -> None:
    assert death(TOLD, 0, "", NOTHING, 100.0).level is Level.DEBUG
    assert death(CHILD, 0, "", NOTHING, 100.0).level is Level.WARNING
    assert death(CHILD, 255, "", NOTHING, 100.0).level is Level.ERROR
    assert death(CHILD, None, "SIGKILL", NOTHING, 100.0).level is Level.ERROR


def test_a_long_list_of_requests_is_cut() -> None:
    text = silence(CHILD, 5.0, [REQUEST] * 20, 100.0)
    assert text.count("POST /pay") == 8
    assert "and 12 more" in text
