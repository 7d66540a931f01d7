"""Memory that runs out: the kernel's killer in a cgroup of our own, and the interpreter's MemoryError."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Log, clean_environ

APP = """
import os

def eat(most):
    pieces = []
    while len(pieces) < most:
        pieces.append(b"x" * (1 << 20))

def body(path):
    if path == "/eat":
        eat(4096)
    return b"%d" % os.getpid()

def wsgi(environ, start_response):
    answer = body(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]

async def asgi(scope, receive, send):
    answer = body(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
"""

LIMITED = """
import resource

with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), resource.RLIM_INFINITY))
"""

KINDS = ("sync", "gthread", "gevent", "asgi")
LIMIT = 160 << 20


class Cgroup:
    """A memory cgroup below ours, of either version. Raises OSError where the system gives us none."""

    def __init__(self) -> None:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        root = Path("/sys/fs/cgroup")
        ours = next((path for _, names, path in lines if "memory" in names.split(",")), None)
        if ours is not None:
            parent, self._limit = root / "memory" / ours.lstrip("/"), "memory.limit_in_bytes"
        else:
            ours = next((path for _, names, path in lines if not names), "/")
            parent, self._limit = root / ours.lstrip("/"), "memory.max"
        self.path = parent / f"hybrid-test-{os.getpid()}"
        self.path.mkdir()
        try:
            (self.path / self._limit).write_text(str(LIMIT))
            for swap, most in (("memory.swap.max", "0"), ("memory.memsw.limit_in_bytes", str(LIMIT))):
                with contextlib.suppress(OSError):
                    (self.path / swap).write_text(most)
        except OSError:
            self.path.rmdir()
            raise

    def close(self) -> None:
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.path.rmdir()


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    try:
        group = Cgroup()
    except OSError as error:
        pytest.skip(f"this process may not make a memory cgroup: {error}")
    yield group
    group.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_by_the_kernel_for_memory_is_called_that_and_names_the_request(
    tmp_path: Path, cgroup: Cgroup, kind: str
) -> None:
    (tmp_path / "hungry.py").write_text(APP)
    reading, writing = os.pipe()
    enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    hybrid = [sys.executable, "-m", "hybrid", "--bind", "127.0.0.1:0", "-k", kind, "-w", "2", f"hungry:{app_of(kind)}"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", enter, str(cgroup.path), *hybrid],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    log = Log(reading)
    try:
        port = int(log.wait(r"Listening at: http://127\.0\.0\.1:(\d+)")[0][1])
        log.wait("Worker ready", count=2)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/eat")
            connection.getresponse().read()
        connection.close()
        record = log.wait(r"Worker \(pid:\d+\) was sent SIGKILL!.*")[0][0]
        assert "class=out-of-memory" in record
        assert re.search(r"in_flight=\[GET /eat from 127\.0\.0\.1", record)
        log.wait("Worker ready", count=3)
        assert json.loads(status(process.pid))["deaths"][-1]["class"] == "out-of-memory"
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        assert log.wait_end()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_S)
        log.wait_end()
        print(log.text)
        log.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_error_costs_the_request_and_not_the_worker(tmp_path: Path, serve: Serve, kind: str) -> None:
    (tmp_path / "hungry.py").write_text(LIMITED + APP)
    server = serve(f"hungry:{app_of(kind)}", "-k", kind)
    (worker,) = server.wait_ready()
    for _ in range(2):
        assert server.get("/eat").status == 500
        assert server.get("/").body == b"%d" % worker
    assert "MemoryError" in server.log.text
    assert server.stop() == 0


def app_of(kind: str) -> str:
    return "asgi" if kind == "asgi" else "wsgi"


def status(pid: int) -> str:
    command = [sys.executable, "-m", "hybrid", "status", "--json", "--pid", str(pid)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S, check=True, env=clean_environ()
    ).stdout
