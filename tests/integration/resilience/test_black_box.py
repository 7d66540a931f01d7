"""What a worker leaves behind that had to be killed: requests with their ids, threads, tasks and greenlets, memory."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid.contract.blackbox import DUMP_SIGNAL
from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server

HERE = Path(__file__).parent
CLASSES = {
    "sync": ("slow_app:wsgi_app", "-k", "sync"),
    "gthread": ("slow_app:wsgi_app", "-k", "gthread", "--threads", "2"),
    "gevent": ("slow_app:wsgi_app", "-k", "gevent"),
    "asgi-wsgi": ("slow_app:wsgi_app", "-k", "asgi"),
    "asgi": ("slow_app:asgi_app", "-k", "asgi"),
    "asgi-asyncio": ("slow_app:asgi_app", "-k", "asgi", "--loop", "asyncio"),
}
LOOPS = ("asgi", "asgi-asyncio")


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for client in opened:
        client.close()


def send(clients: list[socket.socket], server: Server, path: str, *fields: str) -> None:
    client = socket.create_connection(("127.0.0.1", server.port), WAIT_S)
    clients.append(client)
    head = "\r\n".join((f"GET {path} HTTP/1.1", "Host: a.example", *fields, "", ""))
    client.sendall(head.encode())


def record_of_death(server: Server) -> str:
    """The log from the record on."""
    (found,) = server.log.wait(r"^.*Worker \(pid:\d+\) was sent SIG\w+! class=.*$")[:1]
    server.log.wait(r"Worker ready", count=2)
    return server.log.text[found.start() :]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_record_names_the_request_by_its_id(serve: Serve, clients: list[socket.socket], kind: str) -> None:
    server = serve(*CLASSES[kind], folder=HERE)
    (pid,) = server.wait_ready()
    send(clients, server, "/nap?50", "x-request-ID: 7c2a-91")
    server.log.wait("app: napping")
    os.kill(pid, signal.SIGKILL)
    record = record_of_death(server)
    assert re.search(r"in_flight=\[GET /nap\?50 from 127\.0\.0\.1\S* for \d\.\d s id=7c2a-91\]", record)
    assert re.search(r"peak_rss=\d+M", record)


def test_one_without_an_id_is_given_one(serve: Serve, clients: list[socket.socket]) -> None:
    server = serve(*CLASSES["sync"], folder=HERE)
    (pid,) = server.wait_ready()
    send(clients, server, "/nap?50")
    server.log.wait("app: napping")
    os.kill(pid, signal.SIGKILL)
    assert re.search(rf" id={pid}-[0-9a-f]+\]", record_of_death(server))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_interpreters_lock_held_in_c_leaves_the_line_of_the_application(
    serve: Serve, clients: list[socket.socket], kind: str
) -> None:
    server = serve(*CLASSES[kind], "--timeout", "1", folder=HERE)
    server.wait_ready()
    send(clients, server, "/hold-gil?60")
    record = record_of_death(server)
    assert "class=deadline cause='timeout'" in record
    assert "in_flight=[GET /hold-gil?60 " in record
    assert re.search(r'File ".*slow_app\.py", line \d+ in hold_gil', record)


@pytest.mark.parametrize(
    ("kind", "path", "function"),
    [(kind, *way) for kind in LOOPS for way in (("/stubborn?60", "stubborn"), ("/deadlock?60", "deadlock"))],
)
def test_a_held_loop_leaves_who_holds_it_and_what_every_task_waits_for(
    serve: Serve, clients: list[socket.socket], kind: str, path: str, function: str
) -> None:
    server = serve(*CLASSES[kind], "--timeout", "1", folder=HERE)
    server.wait_ready()
    send(clients, server, "/wait?60")
    server.log.wait("app: waiting")
    send(clients, server, path)
    record = record_of_death(server)
    assert "class=deadline" in record
    assert f"GET {path} " in record
    assert re.search(rf'File ".*slow_app\.py", line \d+ in {function}', record), "the stack of the thread"
    assert re.search(r"\d asyncio tasks at ", record)
    assert re.search(rf"Task '\S+' serving GET {re.escape(path)}:", record)
    waits = re.search(r"Task '\S+' serving GET /wait\?60:\n((?:  File .*\n)+)", record)
    assert waits is not None
    assert re.search(r'File ".*slow_app\.py", line \d+ in wait\n', waits[1]), record


def abort_after_asking(server: Server, pid: int) -> str:
    """As the arbiter does before it kills: then the record is there however the worker ends."""
    assert DUMP_SIGNAL is not None
    assert server.get("/pid").status == 200, "whoever has said something waits by now"
    os.kill(pid, DUMP_SIGNAL)
    assert server.get("/pid").status == 200, "its loop has come round, and so has the signal's handler"
    os.kill(pid, signal.SIGABRT)
    return record_of_death(server)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_that_is_alive_tells_its_tasks_when_asked(serve: Serve, clients: list[socket.socket], kind: str) -> None:
    server = serve(*CLASSES[kind], folder=HERE)
    (pid,) = server.wait_ready()
    send(clients, server, "/wait?60")
    server.log.wait("app: waiting")
    record = abort_after_asking(server, pid)
    assert re.search(r"Task '\S+' serving GET /wait\?60:\n(?:  File .*\n)*?.* in wait\n", record), record


def test_greenlets_are_listed_with_what_they_wait_for(serve: Serve, clients: list[socket.socket]) -> None:
    server = serve(*CLASSES["gevent"], folder=HERE)
    (pid,) = server.wait_ready()
    send(clients, server, "/nap?60")
    server.log.wait("app: napping")
    record = abort_after_asking(server, pid)
    assert re.search(r"greenlets at .*\n(?:.*\n)*?Greenlet serving GET /nap\?60:\n(?:  File .*\n)*?.* in nap\n", record)
