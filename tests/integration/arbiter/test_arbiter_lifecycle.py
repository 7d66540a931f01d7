"""A real arbiter: start, deaths, stop."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.integration.arbiter.arbiter_process import wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def test_workers_become_ready_serve_and_stop_on_term(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    run.wait_for(r"Starting hybrid \d")
    run.wait_for(rf"Listening at: http://127\.0\.0\.1:\d+ \({run.pid}\)")
    run.wait_for(r"Using worker: stub_workers.Plain")
    pids = run.ready(2)
    assert run.ask()[0] in pids
    assert run.stop() == 0
    assert run.log.count("stop graceful=True") == 2
    assert "Handling signal: term" in run.log
    assert "Shutting down: Master" in run.log


def test_killed_worker_is_replaced(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    first, second = run.ready(2)
    run.kill(signal.SIGKILL, first)
    run.wait_for(rf"\[ERROR\] Worker \(pid:{first}\) was sent SIGKILL! .*class=outside-signal pool=main slot=\d gen=0")
    (third,) = run.ready()
    assert third not in (first, second)
    assert run.stop() == 0


def test_worker_told_to_go_from_outside_is_replaced(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1)
    (pid,) = run.ready()
    run.kill(signal.SIGTERM, pid)
    run.wait_for(rf"Worker \(pid:{pid}\) exited with code 0\.")
    run.ready()


def test_nobody_outlives_an_arbiter_that_was_killed(arbiter: StartArbiter) -> None:
    run = arbiter(workers=3)
    pids = run.ready(3)
    run.kill(signal.SIGKILL)
    for pid in pids:
        wait_gone(pid)


def test_worker_that_is_stuck_in_the_application_does_not_outlive_a_killed_arbiter(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Stuck", graceful_timeout=0.5)
    (pid,) = run.ready()
    run.ask()
    run.kill(signal.SIGKILL)
    wait_gone(pid)
    assert run.exit_code() == -signal.SIGKILL
    assert "Parent changed, shutting down" in run.log


def test_worker_that_boots_does_not_outlive_a_killed_arbiter(arbiter: StartArbiter, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("hang")
    run = arbiter()
    (pid,) = run.wait_for(r"Booting worker with pid: (\d+)")
    run.kill(signal.SIGKILL)
    wait_gone(int(pid))


@pytest.mark.parametrize(
    ("trouble", "code", "reason", "traceback"),
    [
        ("import", 4, "App failed to load.", "ZeroDivisionError: the application divides by zero"),
        ("boot", 3, "Worker failed to boot.", ""),
        ("bug", 3, "Worker failed to boot.", "LookupError: a defect in boot"),
        ("exit 3", 3, "Worker failed to boot.", ""),
        ("exit 4", 4, "App failed to load.", ""),
        ("exit 0", 3, "Worker failed to boot.", ""),
        ("segfault", 3, "Worker failed to boot.", ""),
    ],
)
def test_first_generation_that_cannot_boot_says_why_once_and_sets_the_exit_code(
    arbiter: StartArbiter, tmp_path: Path, trouble: str, code: int, reason: str, traceback: str
) -> None:
    (tmp_path / "broken").write_text(trouble)
    run = arbiter(workers=4)
    assert run.exit_code() == code
    assert run.log.count(f"Reason: {reason}") == 1
    assert len(re.findall(r"^Traceback", run.log, re.MULTILINE)) == (1 if traceback else 0)
    assert run.log.count(traceback or "Reason:") == (2 if trouble == "bug" else 1)  # there it is also the cause


def test_worker_class_that_does_not_exist_exits_with_1(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="no_such_module.Worker")
    assert run.exit_code() == 1
    assert "no_such_module" in run.log
    assert "Traceback" not in run.log


def test_hang_at_boot_is_aborted_with_its_stack_in_the_log(arbiter: StartArbiter, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("hang")
    run = arbiter(boot_timeout=0.5)
    run.wait_for(r"WORKER BOOT TIMEOUT \(pid:\d+\)")
    assert run.exit_code() == 3
    assert "stub_workers.py" in run.log  # faulthandler's stack
    assert "--boot-timeout" in run.log


def test_silent_worker_is_aborted_with_its_stack_and_its_request_in_the_log(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Stuck", timeout=1.0)
    (pid,) = run.ready()
    run.ask()
    run.wait_for(rf"\[CRITICAL\] WORKER TIMEOUT \(pid:{pid}\) .*in_flight=\[GET /slow\?id=7 from 192\.0\.2\.7")
    run.wait_for(rf"Worker \(pid:{pid}\) was sent SIGABRT! class=deadline cause='timeout'")
    run.ready()
    assert "Fatal Python error: Aborted" in run.log
    assert run.stop() == 0


def test_worker_that_survives_the_abort_is_killed(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Deaf", timeout=1.0)
    (pid,) = run.ready()
    run.ask()
    run.wait_for(rf"WORKER TIMEOUT \(pid:{pid}\)")
    run.wait_for(rf"Worker \(pid:{pid}\) was sent SIGKILL! class=deadline cause='timeout'")


def test_graceful_stop_is_bounded(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Draining", graceful_timeout=0.2, timeout=0)
    (pid,) = run.ready()
    assert run.stop() == 0
    assert f"Worker (pid:{pid}) was sent SIGKILL! class=deadline cause='graceful timeout'" in run.log


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_second_signal_hardens_the_first(arbiter: StartArbiter, second: int) -> None:
    run = arbiter(worker_class="stub_workers.Draining", graceful_timeout=60.0)
    run.ready()
    run.kill(signal.SIGTERM)
    run.wait_for("stop graceful=True")
    run.kill(second)
    run.wait_for("stop graceful=False")
    assert run.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_stop(arbiter: StartArbiter, number: int) -> None:
    run = arbiter(worker_class="stub_workers.Draining", workers=2)
    run.ready(2)
    run.kill(number)
    assert run.exit_code() == 0
    assert run.log.count("stop graceful=False") == 2


def test_service_manager_that_signals_the_whole_group_does_not_harden_the_stop(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Draining", graceful_timeout=0.5, timeout=0)
    (pid,) = run.ready()
    run.kill(signal.SIGTERM, pid)
    run.kill(signal.SIGTERM)
    assert run.exit_code() == 0
    assert "stop graceful=False" not in run.log


def test_signals_that_are_for_the_arbiter_do_not_hurt_a_worker(arbiter: StartArbiter) -> None:
    run = arbiter()
    (pid,) = run.ready()
    for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2):
        run.kill(number, pid)
    run.wait_for("Ignoring signal: hup")
    assert run.ask()[0] == pid
    assert run.stop() == 0


def test_many_signals_at_once_do_not_wedge_it(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    run.ready(2)
    for _ in range(300):
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
            run.kill(number)
    run.kill(signal.SIGTERM)
    assert run.exit_code() == 0


def test_atexit_functions_of_the_application_run(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.WithAtexit")
    run.ready()
    assert run.stop() == 0
    assert run.log.count("atexit ran") == 1


def test_start_and_stop_leave_no_descriptor_of_the_arbiter_in_a_worker(arbiter: StartArbiter) -> None:
    run = arbiter(workers=3)
    pids = run.ready(3)
    for pid in pids:
        kinds = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        assert not any("eventpoll" in kind for kind in kinds)
        # our pipe, the listener, the channel, the stub's own pipe: one socket of each sort
        assert sum(kind.startswith("socket:") for kind in kinds) == 2, kinds


def test_resident_memory_of_the_arbiter_is_small(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    run.ready(2)
    text = Path(f"/proc/{run.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert match is not None
    assert int(match[1]) < 25 * 1024


def test_arbiter_imports_neither_an_event_loop_nor_http(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter(environ={"HYBRID_TEST_MODULES": str(tmp_path / "modules")})
    run.ready()
    assert run.stop() == 0
    modules = set((tmp_path / "modules").read_text().split())
    assert "hybrid.arbiter.supervisor" in modules
    forbidden = {"asyncio", "http", "email", "ssl", "httptools", "h11", "uvloop", "websockets", "gevent"}
    forbidden |= {"hashlib", "tempfile", "hybrid.routing"}  # dear, and for what this arbiter has not
    assert not modules & (forbidden | {"hybrid.http", "hybrid.http1", "hybrid.wsgi", "hybrid.asgi", "hybrid.websocket"})


def test_time_passes_without_work_for_the_arbiter(arbiter: StartArbiter) -> None:
    run = arbiter(timeout=30.0)
    run.ready()
    run.ask()

    def switches() -> int:
        match = re.search(r"voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{run.pid}/status").read_text())
        assert match is not None
        return int(match[1])

    before = switches()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        run.ask()
    assert switches() - before <= 2
