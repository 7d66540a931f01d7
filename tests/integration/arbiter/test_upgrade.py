"""A real arbiter and its successor: the same sockets, one after the other, or back again."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.arbiter.arbiter_process import PATIENCE_S, ArbiterProcess, wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def upgrade(run: ArbiterProcess) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hybrid", "upgrade", "--wait", "--pid", str(run.pid)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def successor(run: ArbiterProcess) -> int:
    return int(run.wait_for(r"started a new arbiter \(pid (\d+)\)")[0])


def test_upgrade_and_wait_hands_over_and_ends_the_old_arbiter(arbiter: StartArbiter, tmp_path: Path) -> None:
    pidfile = tmp_path / "run.pid"
    run = arbiter(workers=2, pidfile=str(pidfile))
    old = run.ready(2)
    done = upgrade(run)
    assert (done.returncode, done.stderr) == (0, "")
    new = successor(run)
    assert f"the arbiter with pid {new} serves" in done.stdout
    wait_gone(run.pid)
    run.wait_for(r"The arbiter before this one \(pid \d+\) is gone")
    assert int(pidfile.read_text()) == new
    assert not (tmp_path / "run.pid.2").exists()
    assert run.ask()[0] not in old
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
    assert not pidfile.exists()


def test_upgrade_that_cannot_serve_leaves_the_old_arbiter_as_it_was(arbiter: StartArbiter, tmp_path: Path) -> None:
    pidfile = tmp_path / "run.pid"
    run = arbiter(workers=2, pidfile=str(pidfile))
    old = run.ready(2)
    (tmp_path / "broken").write_text("import")
    done = upgrade(run)
    assert done.returncode == 1
    assert re.search(r"Upgrade failed: the new arbiter \(pid \d+\) ended with code 4; pid \d+ serves on", done.stderr)
    assert "ZeroDivisionError" in run.log or run.wait_for("ZeroDivisionError")
    assert run.ask()[0] in old
    assert int(pidfile.read_text()) == run.pid
    (tmp_path / "broken").unlink()
    assert upgrade(run).returncode == 0


def test_socket_file_is_the_survivors(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    run = arbiter(listen=False, bind=[f"unix:{path}"], control_socket=str(tmp_path / "control.sock"))
    run.ready()
    inode = path.stat().st_ino
    command = [sys.executable, "-m", "hybrid", "upgrade", "--wait", "--control-socket", str(tmp_path / "control.sock")]
    assert subprocess.run(command, timeout=PATIENCE_S, check=False, stdout=subprocess.DEVNULL).returncode == 0
    run.wait_for("The arbiter before this one")
    assert path.stat().st_ino == inode
    new = successor_of_log(run)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert client.recv(100)
    assert (tmp_path / "control.sock").exists()
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
    assert not path.exists()
    assert not (tmp_path / "control.sock").exists()


def successor_of_log(run: ArbiterProcess) -> int:
    return int(re.findall(r"started a new arbiter \(pid (\d+)\)", run.log)[-1])


def test_usr2_lets_both_serve_and_the_new_one_can_be_sent_away(arbiter: StartArbiter, tmp_path: Path) -> None:
    pidfile = tmp_path / "run.pid"
    run = arbiter(workers=1, pidfile=str(pidfile))
    (old,) = run.ready()
    run.kill(signal.SIGUSR2)
    new = successor(run)
    (fresh,) = run.ready()
    assert int(pidfile.read_text()) == run.pid
    assert int((tmp_path / "run.pid.2").read_text()) == new
    run.kill(signal.SIGUSR2)
    run.wait_for(rf"there is a new arbiter already \(pid {new}\)")
    run.kill(signal.SIGUSR2, new)
    run.wait_for(rf"the arbiter before this one \(pid {run.pid}\) is still there")
    run.kill(signal.SIGWINCH)  # the old workers go, the new ones serve alone
    wait_gone(old)
    assert run.ask()[0] == fresh
    run.kill(signal.SIGTTIN)  # back again
    (again,) = run.ready()
    os.kill(new, signal.SIGQUIT)
    wait_gone(fresh)
    run.wait_for(rf"the new arbiter \(pid {new}\) ended with code 0")
    assert run.ask()[0] == again
    assert not (tmp_path / "run.pid.2").exists()
    assert run.stop() == 0
    assert not pidfile.exists()


def test_usr2_then_quit_leaves_the_new_one(arbiter: StartArbiter, tmp_path: Path) -> None:
    pidfile = tmp_path / "run.pid"
    run = arbiter(workers=1, pidfile=str(pidfile))
    run.ready()
    run.kill(signal.SIGUSR2)
    new = successor(run)
    (fresh,) = run.ready()
    run.kill(signal.SIGQUIT)
    wait_gone(run.pid)
    run.wait_for("The arbiter before this one")
    assert int(pidfile.read_text()) == new
    assert run.ask()[0] == fresh


def test_service_manager_hears_of_reload_life_and_the_new_main_process(arbiter: StartArbiter, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, contextlib.ExitStack() as stack:
        manager.bind(str(tmp_path / "notify"))
        run = arbiter(environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        signs: queue.SimpleQueue[str] = queue.SimpleQueue()
        news: queue.SimpleQueue[str] = queue.SimpleQueue()

        def listen() -> None:
            """All the time, as a manager does: its socket has room for few messages, and nobody waits for room."""
            while text := manager.recv(1000).decode():
                (signs if text == "WATCHDOG=1" else news).put(text)

        def heard() -> str:
            return news.get(timeout=PATIENCE_S)

        listening = threading.Thread(target=listen)
        listening.start()
        stack.callback(listening.join)
        stack.callback(manager.shutdown, socket.SHUT_RDWR)
        run.ready()
        assert heard() == "READY=1"
        assert signs.get(timeout=PATIENCE_S)
        run.kill(signal.SIGHUP)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", heard())
        assert heard() == "READY=1"
        assert upgrade(run).returncode == 0
        new = successor(run)
        assert heard() == "READY=1"  # of the new one
        assert heard() == f"MAINPID={new}"
        os.kill(new, signal.SIGTERM)
        assert heard() == "STOPPING=1"
        wait_gone(new)


def test_no_sign_of_life_while_nobody_serves(arbiter: StartArbiter, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        (tmp_path / "flaky").write_text("")
        run = arbiter(
            worker_class="stub_workers.Hanging",
            environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"},
        )
        run.wait_for("Booting worker")
        manager.settimeout(1.0)
        with pytest.raises(TimeoutError):
            manager.recv(1000)
