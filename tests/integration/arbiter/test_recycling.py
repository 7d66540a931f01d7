"""A real arbiter: workers are replaced before they are missed, and a crash loop keeps what works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.arbiter.arbiter_process import PATIENCE_S, ArbiterProcess, wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def pool(run: ArbiterProcess) -> dict[str, object]:
    command = [sys.executable, "-m", "hybrid", "status", "--json", "--pid", str(run.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return dict(json.loads(done.stdout)["pools"][0])


def test_workers_that_retire_together_leave_all_places_filled(arbiter: StartArbiter) -> None:
    run = arbiter(workers=4, max_requests=1, max_surge=1)
    run.ready(4)
    asked: set[int] = set()
    for _ in range(5000):  # the kernel chooses who answers; whoever has answered is to be replaced
        asked.add(run.ask()[0])
        if len(asked) >= 4:
            break
    run.wait_for("Replacing worker", 4)
    run.wait_for("Worker exiting", 4)
    run.stop()
    ready = 0
    is_full = False
    for line in run.log.splitlines():
        if "Handling signal: term" in line:
            break
        ready += ("Worker ready" in line) - ("stop graceful" in line)
        is_full = is_full or ready == 4
        assert not is_full or ready >= 4, line
    assert is_full


def test_worker_above_its_memory_is_replaced(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Leaking", max_worker_memory=60 << 20)
    (first,) = run.ready()
    assert run.ask()[0] == first
    run.wait_for(rf"Replacing worker \(pid: {first}\) .* reason='memory \d+ MB > 60 MB'")
    (second,) = run.ready()
    wait_gone(first)
    assert run.ask()[0] == second


def test_worker_far_above_its_memory_is_killed(arbiter: StartArbiter) -> None:
    run = arbiter(worker_class="stub_workers.Leaking", max_worker_memory_hard=60 << 20)
    (first,) = run.ready()
    run.ask()
    run.wait_for(rf"WORKER MEMORY \(pid:{first}\) .*see --max-worker-memory-hard")
    run.wait_anywhere(rf"Worker \(pid:{first}\) was sent SIGKILL! class=memory-limit cause='memory limit'")
    run.ready()


def test_worker_that_served_for_long_enough_is_replaced(arbiter: StartArbiter) -> None:
    run = arbiter(max_worker_lifetime=0.5)
    (first,) = run.ready()
    run.wait_for(rf"Replacing worker \(pid: {first}\) .* reason='lifetime'")
    run.ready()
    wait_gone(first)


def test_crash_loop_is_said_once_and_what_works_serves_on(arbiter: StartArbiter, tmp_path: Path) -> None:
    (tmp_path / "flaky").write_text("")
    run = arbiter(workers=2, worker_class="stub_workers.Flaky", restart_intensity=3)
    run.wait_for(r"Pool main: degraded: 3 deaths within 60 s, the last by SIGSEGV; \d of 2 workers ready")
    assert pool(run)["state"] == "degraded"
    assert run.ask()[1] == 0
    run.wait_for("was sent SIGSEGV!", 2)
    (tmp_path / "flaky").unlink()
    run.wait_for(r"Pool main: recovered, 2 of 2 workers ready", seconds=20.0)
    assert pool(run)["state"] == "serving"
    assert len(re.findall("degraded", run.log)) == 1
