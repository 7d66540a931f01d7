"""Ten thousand connections that stay open and say nothing: what each weighs, and what waiting for them costs."""

from __future__ import annotations

import errno
import resource
import socket
import time
from dataclasses import dataclass

from benchmarks import procfs
from benchmarks.process import Running, ServerFailed
from benchmarks.questioning import HELLO, Bench, Question, Sample
from benchmarks.servers import Server

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OPENED_WITHIN_S = 60.0
"""A server that keeps no connection may take its time to end each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleQuestion(Question):
    columns = {
        "each_kb": "KB per connection",
        "idle_cpu": "CPU % while idle",
        "answer_ms": "a new client's answer ms",
        "kept": "connections kept",
    }
    connections: int

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        _raise_file_limit(self.connections + 2_000)
        # The option names of the limits of connections; the others have none, or one that is high enough.
        if server.name.startswith(("hybrid", "gunicorn")):
            server = server.with_options(f"--worker-connections {self.connections + 1000}")
        if server.name.startswith("uvicorn"):
            server = server.with_options("--timeout-keep-alive 60")
        if server.name.startswith("hybrid"):
            server = server.with_options("--keep-alive 60")
        with bench.start(server, app) as up:
            _ask(up)
            before = procfs.memory(up.session).pss
            clients = _open(up.port, self.connections)
            try:
                growth = procfs.memory(up.session).pss - before
                used = procfs.cpu_s(up.session)
                began = time.monotonic()
                time.sleep(bench.seconds)
                share = (procfs.cpu_s(up.session) - used) / (time.monotonic() - began)
                began = time.monotonic()
                _ask(up)
                took = time.monotonic() - began
                kept = sum(map(_is_open, clients))
            finally:
                for client in clients:
                    client.close()
        if kept < self.connections // 2:
            raise ServerFailed(f"kept {kept} of {self.connections} connections")
        return {
            "each_kb": growth / kept / 1024,
            "idle_cpu": share * 100,
            "answer_ms": took * 1000,
            "kept": kept,
        }


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError) as error:
        raise ServerFailed(f"needs {wanted} open files, and the limit is {hard} (ulimit -n)") from error


def _open(port: int, count: int) -> list[socket.socket]:
    """So many connections, each of which has had one answer. From several addresses, since one has 28,000 ports."""
    clients: list[socket.socket] = []
    until = time.monotonic() + OPENED_WITHIN_S
    for number in range(count):
        if time.monotonic() > until:
            break
        try:
            client = socket.create_connection(("127.0.0.1", port), 10, (f"127.0.0.{2 + number % 8}", 0))
            clients.append(client)
            client.sendall(REQUEST)
            client.recv(65536)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise ServerFailed(f"cannot open {count} connections: {error.strerror}") from error
            break  # what the server does not take is counted by what it kept
    return clients


def _is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(65536) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _ask(up: Running) -> None:
    connection = up.connect(timeout=10)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        connection.getresponse().read()
    except OSError as error:
        raise ServerFailed(f"a new client got no answer: {error!r}") from error
    finally:
        connection.close()


QUESTION = IdleQuestion(
    name="idle_10000",
    title="10,000 idle keep-alive connections",
    connections=10_000,
    apps=HELLO,
)
