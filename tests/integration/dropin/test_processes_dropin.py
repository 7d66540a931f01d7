"""Daemon, WINCH and SO_REUSEPORT with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Log, clean_environ

APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


class FileLog(Log):
    """A log that is a file, read as it grows: a daemon has no pipe to us."""

    def __init__(self, path: Path) -> None:
        reading, self._writing = os.pipe()
        self._tail = subprocess.Popen(
            ["tail", "-F", "-n", "+1", str(path)], stdout=self._writing, stderr=subprocess.DEVNULL
        )
        os.close(self._writing)
        super().__init__(reading)

    def end(self) -> None:
        self._tail.kill()
        self._tail.wait()
        self.close()


PATCHING = """
from gevent import monkey

monkey.patch_all()
worker_class = "gevent"
"""


@pytest.fixture
def patching(folder: Path) -> None:
    (folder / "gunicorn.conf.py").write_text(PATCHING)


Begin = Callable[[], tuple[int, FileLog]]


@pytest.fixture
def daemon_begun(folder: Path) -> Iterator[Begin]:
    running: list[tuple[int, FileLog]] = []
    command = [sys.executable, "-m", "hybrid", "-D", "-p", "pid", "--error-logfile", "log", "-b", "127.0.0.1:0"]

    def begin() -> tuple[int, FileLog]:
        (folder / "log").touch()
        done = subprocess.run(
            [*command, "-w", "2", "site_app:app"],
            cwd=folder,
            env=clean_environ(),
            timeout=WAIT_S,
            capture_output=True,
        )
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        log = FileLog(folder / "log")
        log.wait(r"Worker ready", count=2)
        running.append((int((folder / "pid").read_text()), log))
        return running[0]

    yield begin
    for pid, log in running:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        log.end()


@pytest.fixture
def daemon(daemon_begun: Begin) -> tuple[int, FileLog]:
    return daemon_begun()


def test_daemon_leaves_its_terminal_and_rests_on_winch(daemon: tuple[int, FileLog]) -> None:
    pid, log = daemon
    assert os.getsid(pid) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    os.kill(pid, signal.SIGWINCH)
    log.wait(r"Resting")
    log.wait(r"Worker exiting", count=2)
    os.kill(pid, signal.SIGTTIN)
    log.wait(r"Worker ready", count=3)
    os.kill(pid, signal.SIGHUP)
    log.wait(r"Worker ready", count=5)
    os.kill(pid, signal.SIGTERM)
    log.wait(r"Shutting down: Master")


@pytest.mark.usefixtures("patching")
def test_a_daemon_whose_settings_file_patches_still_hears_of_its_workers(folder: Path, daemon_begun: Begin) -> None:
    pid, log = daemon_begun()
    victim = int(log.wait(r"Worker ready \(pid: (\d+)\)")[0][1])
    os.kill(victim, signal.SIGKILL)
    log.wait(rf"Worker \(pid:{victim}\) was sent SIGKILL!")
    log.wait(r"Worker ready .*worker=gevent", count=3)
    os.kill(pid, signal.SIGHUP)
    log.wait(r"Worker ready", count=5)
    os.kill(pid, signal.SIGTERM)
    log.wait(r"Shutting down: Master")


def test_settings_that_a_daemon_cannot_use_are_said_before_it_leaves(folder: Path) -> None:
    command = [sys.executable, "-m", "hybrid", "-D", "-w", "0", "site_app:app"]
    done = subprocess.run(command, cwd=folder, env=clean_environ(), timeout=WAIT_S, capture_output=True, text=True)
    assert done.returncode == 1
    assert "setting workers" in done.stderr


def test_winch_of_a_terminal_changes_nothing(serve: Serve, folder: Path) -> None:
    server = serve("site_app:app", folder=folder)
    (worker,) = server.wait_ready()
    server.send(signal.SIGWINCH)
    assert server.get().body == str(worker).encode()
    server.send(signal.SIGTTIN)  # heard after the other, so that its effect comes after it
    server.wait_ready(2)
    assert "Resting" not in server.log.text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc and inotify are Linux's")
@pytest.mark.parametrize(("engine", "has_inotify"), [("auto", True), ("inotify", True), ("poll", False)])
def test_reload_engine_is_how_files_are_watched(serve: Serve, folder: Path, engine: str, has_inotify: bool) -> None:
    server = serve("site_app:app", "-w", "1", "--reload", "--reload-engine", engine, folder=folder)
    (worker,) = server.wait_ready()
    server.log.wait("Watching .* for changes")
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    (watcher,) = (pid for pid in children if int(pid) != worker)
    opened = [os.readlink(fd) for fd in Path(f"/proc/{watcher}/fd").iterdir()]
    assert any("inotify" in name for name in opened) is has_inotify, opened
    (folder / "more.py").write_text("")
    server.log.wait(r"Reloading: more\.py changed")
    server.wait_ready(2)
    assert server.stop() == 0


def test_every_worker_has_its_own_socket_with_reuse_port(folder: Path, get: Callable[[int], bytes]) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "hybrid", "--reuse-port", "-b", "127.0.0.1:0", "-w", "2", "site_app:app"],
        cwd=folder, env=clean_environ(), stderr=writing, stdout=writing, start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    log = Log(reading)
    try:
        port = int(log.wait(r"Listening at: http://127\.0\.0\.1:(\d+)")[0][1])
        workers = {match[1].encode() for match in log.wait(r"Worker ready \(pid: (\d+)\)", count=2)}
        seen: set[bytes] = set()
        until = time.monotonic() + WAIT_S
        while seen != workers and time.monotonic() < until:
            seen.add(get(port))
        assert seen == workers
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        log.close()


@pytest.fixture
def get() -> Callable[[int], bytes]:
    import http.client

    def fetch(port: int) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("GET", "/", headers={"Connection": "close"})
        body = connection.getresponse().read()
        connection.close()
        return body

    return fetch
