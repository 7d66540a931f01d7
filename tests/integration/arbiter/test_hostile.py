"""An arbiter in a bad world: workers that lie, descriptors that run out, disks that are full, floods of signals."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid.contract.messages import Retire, encode
from tests.integration.arbiter.arbiter_process import PATIENCE_S, ArbiterProcess, wait_gone
from tests.integration.arbiter.conftest import StartArbiter

LIES = {
    "wrong types": b'{"type": "BootFailed", "exit_code": "x", "reason": 5, "traceback": 7}\n',
    "a pid that is not its own": b'{"type": "Started", "pid": 1}\n',
    "brackets": b"[" * 100_000 + b"\n",
    "ten thousand wishes": encode(Retire("asked")) * 10_000,
    "reports of nothing": b'{"type": "LoopBlocked", "where": "x", "seconds": NaN}\n'
    b'{"type": "Shadowed", "pattern": "/", "pool": "main", "differences": [1], "real": {"x": []}}\n',
    "half a message": b'{"type": "Ret',
    "noise": os.urandom(4096).replace(b"\n", b"") + b"\n",
    "a failure after it was ready": b'{"type": "BootFailed", "exit_code": 4, "reason": "no"}\n',
}


def command(run: ArbiterProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "hybrid", *arguments, "--pid", str(run.pid)]
    return subprocess.run(full, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize("lie", LIES)
def test_worker_that_says_nonsense_takes_nobody_with_it(arbiter: StartArbiter, tmp_path: Path, lie: str) -> None:
    (tmp_path / "says").write_bytes(LIES[lie])
    run = arbiter(worker_class="stub_workers.Babbling", workers=2)
    run.ready(2)
    done = command(run, "status", "--json")
    assert json.loads(done.stdout)["pools"]
    assert run.ask()[0]
    assert run.stop() == 0
    assert "Traceback" not in run.log


def test_worker_whose_line_has_no_end_is_replaced(arbiter: StartArbiter, tmp_path: Path) -> None:
    (tmp_path / "says").write_bytes(b"x" * (6 << 20))
    run = arbiter(worker_class="stub_workers.Babbling", workers=1)
    (babbler,) = run.ready()
    wait_gone(babbler)
    run.ready()
    assert run.stop() == 0


def test_spawn_without_descriptors_is_tried_again_until_there_are_some(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    first, _ = run.ready(2)
    limit = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
    # The death of a worker gives back its channel and its black box: room for one descriptor, and a fork needs three.
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (lowest_free(run.pid) - 1, limit[1]))
    run.kill(signal.SIGKILL, first)
    run.wait_for("Cannot fork a worker: Too many open files")
    assert run.ask()[0] != first
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, limit)
    run.ready()
    assert run.stop() == 0


def lowest_free(pid: int) -> int:
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(fd for fd in range(len(taken) + 1) if fd not in taken)


def test_control_without_descriptors_turns_clients_away(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    run = arbiter(control_socket=str(path))
    run.ready()
    limit = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (lowest_free(run.pid), limit[1]))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        assert client.recv(1) == b""
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, limit)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        client.sendall(b'{"command": "status"}\n')
        assert client.recv(1) == b"{"
    assert run.stop() == 0


def test_full_disk_refuses_a_reload_and_leaves_no_half_pidfile(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter(pidfile=str(tmp_path / "run.pid"))
    (worker,) = run.ready()
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    run.kill(signal.SIGHUP)
    run.wait_for("Reload failed: setting pidfile: cannot write .*run.pid: file too large")
    assert [path.name for path in tmp_path.iterdir() if "pid" in path.name] == ["run.pid"]
    assert int((tmp_path / "run.pid").read_text()) == run.pid
    assert run.ask()[0] == worker
    assert run.stop() == 0


def test_flood_of_reloads_ends_with_one_generation_and_no_descriptor_more(arbiter: StartArbiter) -> None:
    run = arbiter(workers=2)
    run.ready(2)
    run.kill(signal.SIGHUP)
    run.wait_for("Reloaded: generation 1 serves")
    before = descriptors(run.pid)
    for _ in range(500):
        run.kill(signal.SIGHUP)
    done = command(run, "reload", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    status = json.loads(command(run, "status", "--json").stdout)
    assert descriptors(run.pid) <= before
    workers = [worker for worker in status["workers"] if worker["stage"] == "ready"]
    assert len({worker["generation"] for worker in workers}) == 1
    assert run.stop() == 0


def test_reload_while_an_upgrade_is_under_way_harms_neither(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1)
    run.ready()
    run.kill(signal.SIGUSR2)
    run.kill(signal.SIGHUP)
    new = int(run.wait_for(r"started a new arbiter \(pid (\d+)\)")[0])
    run.wait_anywhere("Reloaded: generation 1 serves")
    run.wait_anywhere(rf"\[{new}\] \[INFO\] Worker ready")
    run.kill(signal.SIGTERM)
    wait_gone(run.pid)
    run.wait_anywhere("The arbiter before this one")
    assert run.ask()[0]
    run.kill(signal.SIGTERM, new)
    wait_gone(new)


def test_a_worker_more_as_often_as_asked_and_back(arbiter: StartArbiter) -> None:
    run = arbiter(workers=1)
    run.ready()
    for size in range(2, 22):
        run.kill(signal.SIGTTIN)
        run.wait_anywhere(f"-> {size} workers")
    run.wait_for("Worker ready", 20)
    for size in reversed(range(1, 21)):
        run.kill(signal.SIGTTOU)
        run.wait_anywhere(f"{size + 1} -> {size} workers")
    run.kill(signal.SIGTTOU)  # there is always one
    assert run.ask()[0]
    assert run.stop() == 0


def test_stop_while_workers_boot(arbiter: StartArbiter, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("hang")
    run = arbiter(workers=4)
    run.wait_for("Booting worker", 4)
    assert run.stop() == 0
