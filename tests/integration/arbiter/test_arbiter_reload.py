"""A real arbiter: what changes while it serves."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.arbiter.arbiter_process import wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def test_reload_makes_before_it_breaks(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    old = run.ready(2)
    run.kill(signal.SIGHUP)
    new = run.ready(2)
    for pid in old:
        wait_gone(pid)
    assert run.ask()[0] in new
    assert run.ask()[2] == 1
    run.stop()
    first_ready = re.search(r"Worker ready \(pid: \d+\) pool=main slot=\d gen=1", run.log)
    assert first_ready is not None
    assert "stop graceful" not in run.log[: first_ready.start()]
    order = re.findall(r"(Worker ready|stop graceful=True)", run.log[first_ready.start() :])
    assert order[:2] == ["Worker ready", "stop graceful=True"]


@pytest.mark.parametrize("trouble", ["import", "boot", "bug", "exit 3", "exit 0", "segfault", "hang"])
def test_reload_that_cannot_boot_leaves_the_old_workers_serving(
    arbiter: StartArbiter, tmp_path: Path, trouble: str
) -> None:
    run = arbiter(workers=2, **({"boot_timeout": 2.0} if trouble == "hang" else {}))
    old = run.ready(2)
    (tmp_path / "broken").write_text(trouble)
    run.kill(signal.SIGHUP)
    run.wait_for(r"\[ERROR\] Reload failed: generation 1: .*; generation 0 serves on")
    assert run.ask()[0] in old
    assert len(re.findall(r"^Traceback", run.log, re.MULTILINE)) == (trouble in ("import", "bug"))
    (tmp_path / "broken").unlink()
    run.kill(signal.SIGHUP)
    new = run.ready(2)
    for pid in old:
        wait_gone(pid)
    assert run.ask()[0] in new
    assert run.stop() == 0


def test_reload_with_settings_that_are_wrong_changes_nothing(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter()
    (pid,) = run.ready()
    (tmp_path / "settings.json").write_text(json.dumps({"error": "workers: 'many' is no number"}))
    run.kill(signal.SIGHUP)
    run.wait_for("Reload failed: workers: 'many' is no number; nothing was changed")
    (tmp_path / "settings.json").write_text("{")
    run.kill(signal.SIGHUP)
    run.wait_for("Reload failed: JSONDecodeError")
    assert run.ask()[0] == pid
    (tmp_path / "settings.json").write_text(json.dumps({"workers": 3}))
    run.kill(signal.SIGHUP)
    run.ready(3)
    wait_gone(pid)


def test_reload_with_an_address_in_use_changes_nothing(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter()
    (pid,) = run.ready()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "settings.json").write_text(json.dumps({"bind": [address]}))
        run.kill(signal.SIGHUP)
        run.wait_for(f"Reload failed: Can't connect to {address}: the address is in use")
    assert run.ask()[0] == pid


def test_reload_binds_new_addresses_and_closes_the_old_ones(arbiter: StartArbiter, tmp_path: Path) -> None:
    old_path, new_path = tmp_path / "old.sock", tmp_path / "new.sock"
    run = arbiter(listen=False, bind=[f"unix:{old_path}"])
    (pid,) = run.ready()
    (tmp_path / "settings.json").write_text(json.dumps({"bind": [f"unix:{new_path}"]}))
    run.kill(signal.SIGHUP)
    run.wait_for(f"Listening at: unix:{new_path}")
    run.ready()
    wait_gone(pid)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(new_path))
        assert client.recv(100).split()[2] == b"1"
    run.wait_for(f"No longer listening at: unix:{old_path}")
    assert not old_path.exists()
    assert run.stop() == 0
    assert not new_path.exists()


def test_reloads_one_upon_the_other_end_with_the_last(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter(workers=2)
    run.ready(2)
    for _ in range(10):
        run.kill(signal.SIGHUP)
    run.wait_for(r"Handling signal: hup")
    (tmp_path / "settings.json").write_text(json.dumps({"workers": 3}))
    run.kill(signal.SIGHUP)
    (last,) = run.wait_for(r"Reloaded: generation (\d+) serves with 3 workers")
    for pid, generation in re.findall(r"Booting worker with pid: (\d+) .* gen=(\d+)", run.log):
        if generation != last:
            wait_gone(int(pid))
    assert run.ask()[2] == int(last)
    assert run.stop() == 0
    booted = [int(generation) for generation in re.findall(r"Booting worker with pid: .* gen=(\d+)", run.log)]
    assert max(booted) == int(last)


def test_ttin_and_ttou(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1)
    (first,) = run.ready()
    run.kill(signal.SIGTTIN)
    (second,) = run.ready()
    run.kill(signal.SIGTTOU)
    wait_gone(first)
    run.kill(signal.SIGTTOU)
    run.wait_for("Handling signal: ttou")
    assert run.ask()[0] == second


def test_max_requests_starts_the_successor_first(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1, max_requests=3)
    (first,) = run.ready()
    for _ in range(3):
        assert run.ask()[0] == first
    run.wait_for(rf"Replacing worker \(pid: {first}\) .*reason='max-requests'")
    (second,) = run.ready()
    wait_gone(first)
    assert run.ask()[0] == second
    before_ready, _, _ = run.log.partition(f"Worker ready (pid: {second})")
    assert "stop graceful" not in before_ready


def test_logs_are_reopened_by_arbiter_and_workers(arbiter: StartArbiter, tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    run = arbiter(errorlog=str(log))
    run.ask()
    log.rename(tmp_path / "error.log.1")
    run.kill(signal.SIGUSR1)
    run.ask()
    assert run.stop() == 0
    assert "Starting hybrid" in (tmp_path / "error.log.1").read_text()
    assert "Shutting down: Master" in log.read_text()


def test_changed_file_reloads_and_a_broken_one_keeps_the_last_good_generation(
    arbiter: StartArbiter, tmp_path: Path
) -> None:
    pytest.importorskip("watchfiles")
    run = arbiter(reload=True)
    (first,) = run.ready()
    run.wait_anywhere(r"Watching .* for changes")
    (tmp_path / "shop.py").write_text("1")
    run.wait_for(r"Reloading: shop.py changed")
    (second,) = run.ready()
    wait_gone(first)
    (tmp_path / "broken").write_text("import")
    (tmp_path / "shop.py").write_text("2")
    run.wait_for("Reload failed")
    assert run.ask()[0] == second
    assert run.stop() == 0


def test_with_reload_an_application_that_never_worked_is_waited_for(arbiter: StartArbiter, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    (tmp_path / "broken").write_text("import")
    run = arbiter(reload=True, workers=2)
    run.wait_for("ZeroDivisionError: the application divides by zero")
    run.wait_for("waiting for a changed file")
    run.wait_anywhere(r"Watching .* for changes")
    (tmp_path / "broken").unlink()
    (tmp_path / "shop.py").write_text("1")
    run.ready(2)
    assert run.stop() == 0
