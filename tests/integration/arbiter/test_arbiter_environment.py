"""A real arbiter and what is around it: addresses, files, the service manager, being PID 1."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.addresses import has_ipv6
from tests.integration.arbiter.arbiter_process import PATIENCE_S, wait_gone
from tests.integration.arbiter.conftest import StartArbiter


def test_pidfile_is_there_while_it_runs(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    run = arbiter(pidfile=str(path))
    run.ready()
    assert int(path.read_text()) == run.pid
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert run.stop() == 0
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def test_second_arbiter_with_the_same_pidfile_is_refused(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    first = arbiter(pidfile=str(path))
    first.ready()
    second = arbiter(pidfile=str(path))
    assert second.exit_code() == 1
    assert f"Already running on PID {first.pid} (or pid file '{path}' is stale)" in second.log
    assert int(path.read_text()) == first.pid


def test_pidfile_of_a_dead_process_is_taken_over(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path.write_text(f"{dead.pid}\n")
    run = arbiter(pidfile=str(path))
    run.ready()
    assert int(path.read_text()) == run.pid


def test_pidfile_that_cannot_be_written_is_said_in_one_line(arbiter: StartArbiter, tmp_path: Path) -> None:
    run = arbiter(pidfile=str(tmp_path / "missing" / "run.pid"))
    assert run.exit_code() == 1
    assert "hybrid: error: setting pidfile: cannot write" in run.log
    assert "Traceback" not in run.log


def test_port_in_use_is_tried_five_times_then_explained(arbiter: StartArbiter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = arbiter(listen=False, bind=[address])
        assert run.exit_code() == 1
    assert run.log.count(f"Connection in use: {address}") == 4
    assert run.log.count("Retrying in 1 second.") == 4
    assert f"hybrid: error: Can't connect to {address}: the address is in use; tried 5 times" in run.log
    assert "Traceback" not in run.log


def test_port_that_becomes_free_in_time_is_taken(arbiter: StartArbiter) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    run = arbiter(listen=False, bind=[f"127.0.0.1:{taken.getsockname()[1]}"])
    run.wait_for("Retrying in 1 second.")
    taken.close()
    run.ready()


def test_stop_while_waiting_for_a_port(arbiter: StartArbiter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = arbiter(listen=False, bind=[f"127.0.0.1:{taken.getsockname()[1]}"])
        run.wait_for("Retrying in 1 second.")
        run.kill(signal.SIGTERM)
        assert run.exit_code() == 1
    assert run.log.count("Retrying in 1 second.") == 1


def test_unix_socket_has_the_mode_of_the_umask_and_goes_with_the_arbiter(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    run = arbiter(listen=False, bind=[f"unix:{path}"], umask=0o117)
    run.wait_for(f"Listening at: unix:{path}")
    run.ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert client.recv(100)
    assert run.stop() == 0
    assert not path.exists()


def test_socket_file_of_a_dead_server_is_replaced_and_another_file_is_not(
    arbiter: StartArbiter, tmp_path: Path
) -> None:
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    run = arbiter(listen=False, bind=[f"unix:{stale}"])
    run.ready()
    precious = tmp_path / "precious.txt"
    precious.write_text("keep me")
    other = arbiter(listen=False, bind=[f"unix:{precious}"])
    assert other.exit_code() == 1
    assert "the file exists and is no socket" in other.log
    assert precious.read_text() == "keep me"


def test_socket_file_of_a_living_server_is_in_use(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        run = arbiter(listen=False, bind=[f"unix:{path}"])
        run.wait_for(f"Connection in use: unix:{path}")
        run.kill(signal.SIGTERM)
        assert run.exit_code() == 1
    assert path.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
def test_abstract_socket(arbiter: StartArbiter, tmp_path: Path) -> None:
    name = f"hybrid-test-{os.getpid()}-{tmp_path.name}"
    run = arbiter(listen=False, bind=[f"unix:@{name}"])
    run.wait_for(f"Listening at: unix:@{name}")
    run.ready()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name)
        assert client.recv(100)


@pytest.mark.skipif(not has_ipv6(), reason="needs ::1, which this machine has not")
def test_several_addresses_and_ipv6(arbiter: StartArbiter, tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    run = arbiter(listen=False, bind=["127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/web.sock"])
    run.wait_for(r"Listening at: http://127\.0\.0\.1:\d+,http://\[::1\]:\d+,unix:")
    run.ready()


_ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_of_the_service_manager_are_taken(arbiter: StartArbiter) -> None:
    run = arbiter(activate=_ACTIVATE, bind=["127.0.0.1:1"])
    run.wait_for(rf"Listening at: http://127\.0\.0\.1:{run.port} ")
    (pid,) = run.ready()
    assert run.ask()[0] == pid


def test_service_manager_hears_ready_after_the_first_worker_and_stopping(arbiter: StartArbiter, tmp_path: Path) -> None:
    path = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE_S)
        run = arbiter(workers=2, environ={"NOTIFY_SOCKET": str(path)})
        assert manager.recv(1000) == b"READY=1"
        run.ready(1)
        run.kill(signal.SIGTERM)
        assert manager.recv(1000) == b"STOPPING=1"
        assert run.exit_code() == 0
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(1000)


def test_service_manager_never_hears_ready_from_a_server_that_cannot_boot(
    arbiter: StartArbiter, tmp_path: Path
) -> None:
    (tmp_path / "broken").write_text("import")
    path = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        run = arbiter(environ={"NOTIFY_SOCKET": str(path)})
        assert run.exit_code() == 4
        assert manager.recv(1000) == b"STOPPING=1"


def test_as_pid_1_it_reaps_processes_that_are_not_its_own(arbiter: StartArbiter) -> None:
    unshare = shutil.which("unshare")
    options = ("--fork", "--pid", "--mount-proc", "--kill-child")
    if unshare is None or subprocess.run([unshare, *options, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a process namespace")
    run = arbiter(worker_class="stub_workers.Forking", prefix=(unshare, *options), loglevel="debug")
    run.ready()
    assert " [1] [INFO] Starting hybrid" in run.log
    run.ask()
    run.wait_for(r"Reaped a process that is no worker \(pid: \d+\)")
    run.ask()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_workers_run_as_the_given_user_without_the_groups_of_root(arbiter: StartArbiter, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    path = tmp_path / "web.sock"
    run = arbiter(
        listen=False,
        bind=[f"unix:{path}"],
        user="nobody",
        group=str(nobody.pw_gid),
        umask=0o117,
        # An interpreter in root's home folder cannot be read by anybody else, so all is imported before.
        environ={
            "HYBRID_TEST_IMPORT": "stub_workers importlib.metadata hybrid.contract.loader hybrid.contract.interface"
        },
    )
    (pid,) = run.ready()
    status = Path(f"/proc/{pid}/status").read_text()
    ids = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("Uid", "Gid", "Groups")))
    assert set(ids["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(ids["Gid"].split()) == {str(nobody.pw_gid)}
    assert "0" not in ids["Groups"].split()
    assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid)
    run.kill(signal.SIGKILL)
    wait_gone(pid)  # the change of user must not lose the kernel's notice of the arbiter's death


def test_user_that_does_not_exist_is_said_in_one_line(arbiter: StartArbiter) -> None:
    run = arbiter(user="no-such-user")
    assert run.exit_code() == 1
    assert run.log.strip() == "hybrid: error: setting user: there is no user 'no-such-user' on this machine"


def test_environment_of_the_settings_reaches_the_workers_only(arbiter: StartArbiter) -> None:
    run = arbiter(raw_env=["SHOP_COLOUR=blue=ish"])
    (pid,) = run.ready()
    run.ask()
    assert run.stop() == 0
    assert f"stub pid={pid} colour=blue=ish" in run.log
