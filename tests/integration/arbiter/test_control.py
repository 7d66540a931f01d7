"""A real arbiter, told what to do by the real commands."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid.control import abstract_name, encode
from tests.integration.arbiter.arbiter_process import PATIENCE_S, ArbiterProcess, wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def hybrid(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hybrid", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def told(run: ArbiterProcess, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return hybrid(command, "--pid", str(run.pid), *arguments)


def test_status_answers_while_every_worker_is_stuck(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1, worker_class="stub_workers.Stuck", timeout=0)
    (pid,) = run.ready()
    run.ask()
    report = json.loads(told(run, "status", "--json").stdout)
    assert (report["pid"], report["phase"], report["generation"]) == (run.pid, "running", 0)
    assert report["pools"][0]["state"] == "serving"
    (worker,) = report["workers"]
    assert (worker["pid"], worker["stage"]) == (pid, "ready")
    assert worker["rss_bytes"] > 1 << 20
    assert [request["target"] for request in worker["in_flight"]] == ["/slow?id=7"]
    text = told(run, "workers")
    assert text.returncode == 0
    assert "GET /slow?id=7 for" in text.stdout
    assert "pool main: serving, 1 of 1 workers ready" in told(run, "status").stdout


def test_reload_and_wait_returns_when_the_new_generation_serves_alone(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    run.ready(2)
    done = told(run, "reload", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Worker ready") == 2
    assert done.stdout.endswith("Reloaded: generation 1 serves with 2 workers\n")


def test_reload_and_wait_prints_the_traceback_and_fails(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter(workers=2)
    old = run.ready(2)
    (tmp_path / "broken").write_text("import")
    done = told(run, "reload", "--wait")
    assert done.returncode == 1
    assert "ZeroDivisionError: the application divides by zero" in done.stderr
    assert "Reload failed: generation 1: " in done.stderr
    assert run.ask()[0] in old


def test_reload_without_wait_returns_at_once(arbiter: StartArbiter) -> None:
    run = arbiter()
    run.ready()
    done = told(run, "reload")
    assert done.returncode == 0
    assert "reload ordered" in done.stdout
    run.wait_for("Reloaded: generation 1")


def test_scale(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1)
    run.ready()
    assert told(run, "scale", "main", "3").stdout == "Pool main: 1 -> 3 workers\n"
    run.ready(2)
    refused = told(run, "scale", "other", "3")
    assert (refused.returncode, refused.stderr) == (1, "hybrid: error: there is no pool 'other'; there is main\n")
    assert told(run, "scale", "main", "0").returncode == 2


def test_stop_and_wait_returns_when_the_process_is_gone(arbiter: StartArbiter, tmp_path: Path) -> None:
    pidfile = tmp_path / "run.pid"
    run = arbiter(workers=2, pidfile=str(pidfile))
    run.ready(2)
    done = hybrid("stop", "--wait", "--pid", str(pidfile))
    assert (done.returncode, done.stdout) == (0, f"Stopped (pid {run.pid})\n")
    wait_gone(run.pid)
    assert run.exit_code() == 0


def test_socket_at_a_path_is_the_owners_alone_and_goes_with_the_arbiter(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    run = arbiter(control_socket=str(path))
    run.ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hybrid("status", "--control-socket", str(path)).returncode == 0
    assert run.stop() == 0
    assert not path.exists()
    refused = hybrid("status", "--control-socket", str(path))
    assert refused.returncode == 1
    assert "is it running?" in refused.stderr


def test_without_a_control_socket_there_is_none(arbiter: StartArbiter) -> None:
    run = arbiter(control_socket="off")
    run.ready()
    assert told(run, "status").returncode == 1


def test_other_users_are_refused(arbiter: StartArbiter) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    run = arbiter()
    run.ready()
    as_nobody = f"""
import os, socket
os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
client.connect({abstract_name(0, run.pid)!r})
client.settimeout({PATIENCE_S})
try:
    client.sendall(b'{{"command": "stop"}}\\n')
    print(client.recv(1000))
except OSError:
    print(b"")
"""
    done = subprocess.run(
        [sys.executable, "-c", as_nobody], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == "b''\n"
    run.wait_for("Control socket: refused a connection of user 65534")
    assert run.stop() == 0


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", encode({"command": "dance"}), encode({"command": ["x"]})])
def test_nonsense_is_answered_and_harms_nobody(arbiter: StartArbiter, line: bytes) -> None:
    run = arbiter()
    run.ready()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(abstract_name(os.geteuid(), run.pid))
        client.sendall(line)
        answer = json.loads(client.makefile("rb").readline())
    assert (answer["type"], answer["ok"]) == ("done", False)
    assert run.stop() == 0


def test_client_that_sends_without_end_is_cut_off(arbiter: StartArbiter) -> None:
    run = arbiter()
    run.ready()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(abstract_name(os.geteuid(), run.pid))
        with pytest.raises(OSError):
            client.sendall(b"x" * (64 << 20))
    assert told(run, "status").returncode == 0
