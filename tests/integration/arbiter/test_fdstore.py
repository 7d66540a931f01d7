"""Sockets in the care of a service manager that this test plays: an arbiter is killed, the next one takes them back."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid.arbiter.fdstore import name_of
from tests.integration.arbiter.arbiter_process import PATIENCE_S, ArbiterProcess
from tests.integration.arbiter.conftest import StartArbiter

_PASS = """
import fcntl, os, sys
fds, names = os.environ.pop("TEST_FDS").split(), os.environ.pop("TEST_NAMES")
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in fds]  # out of the way of those that they become
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Manager:
    """What systemd is to a service: hears its notices, keeps its descriptors."""

    def __init__(self, path: Path) -> None:
        self.stored: dict[str, int] = {}
        self.environ = {"NOTIFY_SOCKET": str(path), "FDSTORE": "8"}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def hear(self, text: str) -> None:
        """Take in notices up to this one."""
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 1000, 4)
            lines = data.decode().split("\n")
            name = next((line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")), "")
            if "FDSTORE=1" in lines:
                (fd,) = fds
                self._drop(name)
                self.stored[name] = fd
            elif "FDSTOREREMOVE=1" in lines:
                self._drop(name)
            if text in lines:
                return

    def _drop(self, name: str) -> None:
        if name in self.stored:
            os.close(self.stored.pop(name))

    def restart(self, arbiter: StartArbiter, **settings: object) -> ArbiterProcess:
        """The next process of the service, with what is stored."""
        names, fds = list(self.stored), list(self.stored.values())
        environ = {**self.environ, "TEST_FDS": " ".join(map(str, fds)), "TEST_NAMES": ":".join(names)}
        for fd in fds:
            os.set_inheritable(fd, True)
        return arbiter(listen=False, activate=_PASS, pass_fds=tuple(fds), environ=environ, **settings)

    def close(self) -> None:
        for name in list(self.stored):
            self._drop(name)
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def ask(sock: socket.socket) -> int:
    return int(sock.recv(100).split()[0])


def test_who_connects_while_no_arbiter_lives_is_served_by_the_next(arbiter: StartArbiter, manager: Manager) -> None:
    bind = f"127.0.0.1:{free_port()}"
    run = arbiter(listen=False, bind=[bind], environ=manager.environ, workers=2)
    manager.hear("READY=1")
    assert list(manager.stored) == [name_of(bind)]
    run.ready(2)
    run.kill(signal.SIGKILL)
    run.exit_code()  # of the workers, too
    host, port = bind.split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as early:
        again = manager.restart(arbiter, bind=[bind])
        (worker,) = again.ready()
        assert ask(early) == worker
    assert again.stop() == 0
    manager.hear("STOPPING=1")
    assert list(manager.stored) == [name_of(bind)]  # whether the service comes back is the manager's to know


def test_a_stored_socket_that_is_no_longer_wanted_is_given_back(arbiter: StartArbiter, manager: Manager) -> None:
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    run = arbiter(listen=False, bind=[first], environ=manager.environ)
    manager.hear("READY=1")
    run.kill(signal.SIGKILL)
    run.exit_code()
    again = manager.restart(arbiter, bind=[second])
    manager.hear("READY=1")
    assert list(manager.stored) == [name_of(second)]
    assert again.stop() == 0


def test_a_reload_changes_what_is_stored(arbiter: StartArbiter, manager: Manager, tmp_path: Path) -> None:
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    run = arbiter(listen=False, bind=[first], environ=manager.environ)
    manager.hear("READY=1")
    (tmp_path / "settings.json").write_text(f'{{"bind": ["{second}"]}}')
    run.kill(signal.SIGHUP)
    manager.hear("READY=1")
    run.wait_for("No longer listening at")
    run.stop()
    manager.hear("STOPPING=1")
    assert list(manager.stored) == [name_of(second)]


def test_a_unix_socket_comes_back_with_its_file(arbiter: StartArbiter, manager: Manager, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    run = arbiter(listen=False, bind=[f"unix:{path}"], environ=manager.environ)
    manager.hear("READY=1")
    inode = path.stat().st_ino
    run.kill(signal.SIGKILL)
    run.exit_code()
    with socket.socket(socket.AF_UNIX) as early:
        early.settimeout(PATIENCE_S)
        early.connect(str(path))
        again = manager.restart(arbiter, bind=[f"unix:{path}"])
        (worker,) = again.ready()
        assert ask(early) == worker
    assert path.stat().st_ino == inode
    assert again.stop() == 0
    assert not path.exists()
    last = manager.restart(arbiter, bind=[f"unix:{path}"])  # the file went with the stop: a stored socket is of no use
    (worker,) = last.ready()
    with socket.socket(socket.AF_UNIX) as late:
        late.settimeout(PATIENCE_S)
        late.connect(str(path))
        assert ask(late) == worker
    assert last.stop() == 0
