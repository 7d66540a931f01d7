"""Every death of a worker leaves one record: whose doing, the requests in flight, the stacks, the memory."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server, clean_environ

APP = """
import ctypes, os, signal, threading, time

lock = threading.Lock()

def sleep_in_c():
    ctypes.PyDLL(None).sleep(600)      # a C library that keeps the interpreter's lock

def loop_for_ever():
    while True:
        pass

def wait_for_oneself():
    with lock:
        lock.acquire()

def crash():
    ctypes.string_at(0)

def leave():
    os._exit(5)

def idle():
    time.sleep(600)

WAYS = {f"/{way.__name__}": way for way in (sleep_in_c, loop_for_ever, wait_for_oneself, crash, leave, idle)}

def wsgi(environ, start_response):
    WAYS[environ["PATH_INFO"]]()

async def asgi(scope, receive, send):
    WAYS[scope["path"]]()
"""

KINDS = ("sync", "gthread", "gevent", "asgi")


def deaths(server: Server) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "hybrid", "status", "--json", "--pid", str(server.pid)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S, check=True, cwd="/", env=clean_environ()
    )
    return list(json.loads(done.stdout)["deaths"])


def stuck_server(tmp_path: Path, serve: Serve, kind: str, *options: str) -> Server:
    (tmp_path / "shop.py").write_text(APP)
    name = "asgi" if kind == "asgi" else "wsgi"
    lifespan = ("--lifespan", "off") if kind == "asgi" else ()
    return serve(f"shop:{name}", "-k", kind, *lifespan, *options)


def request(server: Server, path: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
    return client


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["sleep_in_c"])  # the others are ended by the worker, which lives on
def test_deadline_leaves_request_and_line_of_the_application(tmp_path: Path, serve: Serve, kind: str, way: str) -> None:
    server = stuck_server(tmp_path, serve, kind, "--timeout", "1")
    server.wait_ready()
    with request(server, f"/{way}"):
        record = server.log.wait(r"Worker \(pid:(\d+)\) was sent SIG\w+! class=deadline cause='timeout' .*")[0][0]
        assert f"in_flight=[GET /{way} from 127.0.0.1" in record
        assert re.search(r"peak_rss=\d+M", record)
        server.log.wait(rf'File ".*shop\.py", line \d+ in {way}')
    (death,) = deaths(server)
    assert (death["class"], death["cause"]) == ("deadline", "timeout")
    assert way in str(death["stacks"])


@pytest.mark.parametrize("kind", KINDS)
def test_crash_leaves_request_and_line_of_the_application(tmp_path: Path, serve: Serve, kind: str) -> None:
    server = stuck_server(tmp_path, serve, kind)
    server.wait_ready()
    with request(server, "/crash"):
        server.log.wait(r"was sent SIGSEGV! class=crash .*in_flight=\[GET /crash from 127.0.0.1")
        server.log.wait(r'File ".*shop\.py", line \d+ in crash')


@pytest.mark.parametrize("kind", KINDS)
def test_exit_and_outside_signal_leave_the_request(tmp_path: Path, serve: Serve, kind: str) -> None:
    server = stuck_server(tmp_path, serve, kind)
    server.wait_ready()
    with request(server, "/leave"):
        server.log.wait(r"exited with code 5. class=exit .*in_flight=\[GET /leave from ")
    pid = server.wait_ready(2)[1]
    with request(server, "/idle"):
        wait_busy(server, pid)
        os.kill(pid, signal.SIGKILL)
        server.log.wait(rf"\(pid:{pid}\) was sent SIGKILL!.* class=outside-signal .*in_flight=\[GET /idle from ")
    assert [death["class"] for death in deaths(server)] == ["exit", "outside-signal"]


def test_stop_that_takes_too_long_leaves_request_and_line(tmp_path: Path, serve: Serve) -> None:
    server = stuck_server(tmp_path, serve, "sync", "--graceful-timeout", "1")
    (pid,) = server.wait_ready()
    with request(server, "/idle"):
        wait_busy(server, pid)
        server.send(signal.SIGTERM)
        server.log.wait(r"was sent SIGKILL! class=deadline cause='graceful timeout' .*in_flight=\[GET /idle ")
        server.log.wait(r'File ".*shop\.py", line \d+ in idle')
    assert server.wait_exit() == 0


def wait_busy(server: Server, pid: int) -> None:
    """Until the scoreboard shows the request: asked again and again, since nothing tells of it."""
    for _ in range(100):
        command = [sys.executable, "-m", "hybrid", "workers", "--json", "--pid", str(server.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True, env=clean_environ())
        if any(worker["pid"] == pid and worker["in_flight"] for worker in json.loads(done.stdout)):
            return
    raise AssertionError("no request in flight")
