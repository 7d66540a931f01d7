"""The real `hybrid` command in a temporary folder, and what a test needs to know about it.

Nothing here sleeps. A test waits for a line of the log, for an answer or for the end of all processes,
each with a bound. The log is a pipe that the arbiter and its workers inherit, so its end is the proof that
none of them is left.
"""

from __future__ import annotations

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

WAIT_S = 20.0
"""How long anything may take before a test gives up; never what a test measures."""


class Log:
    """Everything that the server's processes wrote, as it arrives."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_blocking(fd, False)
        self._text = ""
        self._is_ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="server log", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """All that was written until now: what a server has logged before it answered is there with the answer."""
        with self._changed:
            self._take()
            return self._text

    def wait(self, pattern: str, *, count: int = 1, timeout: float = WAIT_S) -> list[re.Match[str]]:
        """The matches of the pattern (multiline), once there are `count` of them. Fails with the log if not."""
        expression = re.compile(pattern, re.MULTILINE)

        def found() -> list[re.Match[str]]:
            # Whole lines only: a line that is still being written would give half a match.
            return list(expression.finditer(self._text[: self._text.rfind("\n") + 1]))

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._is_ended, timeout)
            matches = found()
            if len(matches) < count:
                state = "has ended" if self._is_ended else f"did not come within {timeout:g} s"
                raise AssertionError(
                    f"waiting for {count} x {pattern!r}, found {len(matches)}: the log {state}\n{self._text[-6000:]}"
                )
            return matches

    def wait_end(self, timeout: float = WAIT_S) -> bool:
        """Whether every process that could write to the log is gone."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ended, timeout)

    def close(self) -> None:
        self._thread.join(WAIT_S)
        os.close(self._fd)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._is_ended:
            poll.poll()
            with self._changed:
                self._take()

    def _take(self) -> None:
        """With the lock held: all that is in the pipe, which two threads read so that nobody has to wait for one."""
        while not self._is_ended:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            if data:
                self._text += data.decode("utf-8", "replace")
            else:
                self._is_ended = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Server:
    """One running `hybrid`. Ends with `stop()`, `wait_exit()` or, at the latest, `destroy()`."""

    def __init__(self, arguments: list[str], folder: Path, environ: dict[str, str] | None = None) -> None:
        """Start it on a socket that this test has bound: the port cannot be taken by anybody in between."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen(512)
            self.port: int = listener.getsockname()[1]
            fd = listener.fileno()
            self.process, self.log = launch(["--bind", f"fd://{fd}", *arguments], folder, environ, pass_fds=(fd,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self, count: int = 1) -> list[int]:
        """The pids of the first `count` workers that became ready, since the start."""
        found = self.log.wait(r"Worker ready \(pid: (\d+)\)", count=count)
        return [int(match[1]) for match in found[:count]]

    def wait_gone(self, pid: int) -> None:
        """Until the arbiter or the worker has said that this worker is gone."""
        self.log.wait(rf"Worker exiting \(pid: {pid}\)|Worker \(pid: ?{pid}\) (was sent|exited)")

    def get(self, path: str = "/", timeout: float = WAIT_S) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    @contextmanager
    def connected(self, timeout: float = WAIT_S) -> Iterator[socket.socket]:
        """A raw connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as sock:
            yield sock

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_exit(self, timeout: float = WAIT_S) -> int:
        """The arbiter's exit code, once it and all its workers are gone."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the arbiter did not end within {timeout:g} s\n{self.log.text[-6000:]}") from None
        assert self.log.wait_end(timeout), f"processes outlived the arbiter\n{self.log.text[-6000:]}"
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = WAIT_S) -> int:
        self.send(number)
        return self.wait_exit(timeout)

    def destroy(self) -> None:
        """Leave nothing behind, whatever the test did; the log goes to the report of a failed test."""
        try:
            # The workers stay in the arbiter's process group, which may outlive it.
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(WAIT_S)
        self.log.wait_end()
        print(f"--- the log of {' '.join(map(str, self.process.args))}\n{self.log.text[-12000:]}")
        self.log.close()


def launch(
    arguments: list[str], folder: Path, environ: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()
) -> tuple[subprocess.Popen[bytes], Log]:
    """Start `hybrid` with exactly these arguments, in a process group of its own, its output in a Log."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "hybrid", *arguments],
            cwd=folder,
            env={**clean_environ(), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    finally:
        os.close(writing)
    return process, Log(reading)


def clean_environ() -> dict[str, str]:
    """This process's environment without what would change a server's settings."""
    foreign = re.compile(
        r"HYBRID_.*|GUNICORN_.*|UVICORN_.*|WEB_CONCURRENCY|PORT|FORWARDED_ALLOW_IPS|NOTIFY_SOCKET|LISTEN_.*"
    )
    return {
        **{name: value for name, value in os.environ.items() if not foreign.fullmatch(name)},
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # a source rewritten within a second must not meet its old bytecode
    }


def read_until(sock: socket.socket, end: bytes, limit: int = 1 << 20) -> bytes:
    """What arrives, up to and with `end`; fails when the connection closes first."""
    data = b""
    while end not in data:
        more = sock.recv(65536)
        assert more, f"the connection closed before {end!r}; it gave {data[-500:]!r}"
        data += more
        assert len(data) <= limit, f"no {end!r} within {limit} bytes"
    return data


def read_to_end(sock: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while more := sock.recv(65536):
        data += more
    return data
