"""A server under measurement: started on its core in a session of its own, stopped with everything it made."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.pinning import Cores, pinned

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0


class ServerFailed(Exception):
    """The server could not be measured; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Running:
    session: int
    """The pid of the process that was started, which leads the session."""
    port: int
    start_s: float
    """From the start of the process to the end of its first answer."""
    is_tls: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.is_tls else "http"

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A client; its connection is made with the first request."""
        return client(self.port, timeout, is_tls=self.is_tls)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(port: int, timeout: float, *, is_tls: bool) -> http.client.HTTPConnection:
    if not is_tls:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate was made by `benchmarks.certificate` a moment ago
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)


@contextmanager
def running(
    arguments: list[str],
    port: int,
    folder: Path,
    cores: Cores,
    environ: Mapping[str, str],
    path: str,
    *,
    is_tls: bool = False,
) -> Iterator[Running]:
    """Start it, wait for its first answer on `path`, and stop it at the end. Raises ServerFailed."""
    with tempfile.TemporaryFile() as log:
        started = time.monotonic()
        with pinned(cores.server):
            process = subprocess.Popen(
                arguments,
                cwd=folder,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            reason = _wait_for_an_answer(process, port, path, is_tls=is_tls)
            if reason:
                log.seek(0)
                tail = " | ".join(log.read().decode("utf-8", "replace").split("\n")[-4:]).strip(" |")
                raise ServerFailed(f"{arguments[0]}: {reason}; the end of its log: {tail or '(empty)'}")
            yield Running(process.pid, port, time.monotonic() - started, is_tls)
        finally:
            _stop(process)


def _wait_for_an_answer(process: subprocess.Popen[bytes], port: int, path: str, *, is_tls: bool) -> str:
    """Why there was none, or ""."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"ended with {process.returncode} before its first answer"
        connection = client(port, 5, is_tls=is_tls)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.002)
        else:
            return ""
        finally:
            connection.close()
    return f"no answer within {START_LIMIT_S:.0f} s"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """TERM, then KILL for whatever is left of the session. Some peers leave workers behind on TERM."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in procfs.processes_of(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
