"""A real arbiter with stub workers, seen from outside: its log, its pids, its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_S = 15.0


class ArbiterProcess:
    """One arbiter in its own folder, listening on a socket that the test bound. `close` it, by force if need be."""

    def __init__(
        self,
        folder: Path,
        *,
        worker_class: str = "stub_workers.Plain",
        prefix: Sequence[str] = (),
        environ: dict[str, str] | None = None,
        listen: bool = True,
        activate: str = "",
        pass_fds: tuple[int, ...] = (),
        **settings: object,
    ) -> None:
        self.folder = folder
        self.log = ""
        self._is_ended = False
        """Nobody is left that could write to the log."""
        self._looked = 0
        values: dict[str, object] = {"app": "stub", "worker_class": worker_class, "graceful_timeout": 10.0, **settings}
        self.listener = socket.create_server(("127.0.0.1", 0)) if listen else None
        if activate:
            prefix = (sys.executable, "-c", activate)
        if self.listener is not None:
            values.setdefault("bind", [f"fd://{self.listener.fileno()}"])
            pass_fds = (*pass_fds, self.listener.fileno())
            prefix = (*prefix, str(self.listener.fileno())) if activate else prefix
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(HERE / "driver.py"), json.dumps(values)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HERE), **(environ or {})},
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        assert self.listener is not None
        return int(self.listener.getsockname()[1])

    def kill(self, number: int, pid: int | None = None) -> None:
        os.kill(self.pid if pid is None else pid, number)

    def wait_for(self, pattern: str, count: int = 1, *, seconds: float = PATIENCE_S) -> list[str]:
        """Wait until the log *after the last wait* has this pattern so often; the last group of each, or the match."""
        until = time.monotonic() + seconds
        while True:
            found = list(re.finditer(pattern, self.log[self._looked :]))
            if len(found) >= count:
                self._looked += found[count - 1].end()
                return [match.group(match.lastindex or 0) for match in found[:count]]
            if not self._read(until):
                raise AssertionError(f"{pattern!r} x {count} is not in the log of the arbiter:\n{self.log}")

    def wait_anywhere(self, pattern: str) -> None:
        """Wait until the log has this pattern, wherever: for lines of two processes, whose order is open."""
        until = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.log):
            if not self._read(until):
                raise AssertionError(f"{pattern!r} is not in the log of the arbiter:\n{self.log}")

    def _read(self, until: float) -> bool:
        """Read more of the log; False at its end or when the time is over."""
        stream = self.process.stderr
        assert stream is not None
        if not select.select([stream], (), (), max(0.0, until - time.monotonic()))[0]:
            return False
        data = os.read(stream.fileno(), 65536)
        self.log += data.decode()
        self._is_ended = not data
        return bool(data)

    def ready(self, count: int = 1) -> list[int]:
        """Wait for so many workers to become ready; their pids."""
        return [int(pid) for pid in self.wait_for(r"Worker ready \(pid: (\d+)\)", count)]

    def ask(self) -> tuple[int, int, int]:
        """Connect; (pid, slot, generation) of the worker that answers."""
        assert self.listener is not None
        with socket.create_connection(self.listener.getsockname(), timeout=PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            pid, slot, generation = connection.recv(100).split()
        return int(pid), int(slot), int(generation)

    def exit_code(self, *, seconds: float = PATIENCE_S) -> int:
        """Wait for its end, reading on."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass
        return self.process.wait(max(0.1, until - time.monotonic()))

    def stop(self) -> int:
        self.kill(signal.SIGTERM)
        return self.exit_code()

    def close(self) -> None:
        """Leave nothing behind: the arbiter, its workers, and its successors, which are in its process group, too."""
        if not self._is_ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stderr is not None:
            until = time.monotonic() + PATIENCE_S
            while self._read(until):  # its end is the end of the last worker that held our pipe
                pass
            self.process.stderr.close()
        if self.listener is not None:
            self.listener.close()


def wait_gone(pid: int, *, seconds: float = PATIENCE_S) -> None:
    """Wait until there is no such process. Raises AssertionError when there still is."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([handle], (), (), seconds)[0]:
            raise AssertionError(f"process {pid} is still there: {Path(f'/proc/{pid}/stat').read_text()}")
    finally:
        os.close(handle)
