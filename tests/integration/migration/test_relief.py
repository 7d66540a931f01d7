"""A worker that is at a slow request leaves the connections that it keeps to a sibling that is idle."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid_workers.relief import LOOK_S
from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server
from tests.integration.workers.wire import Client, get

KINDS = {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "2")}


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Iterator[Server]:
    shutil.copy(Path(__file__).parent / "handoff_app.py", tmp_path)
    running = serve("handoff_app:wsgi", *KINDS[request.param], "-w", "2", "--timeout", "60", "--keep-alive", "60")
    running.wait_ready(2)
    yield running
    (tmp_path / "go").touch()


def connect(server: Server) -> Client:
    return Client(socket.create_connection(("127.0.0.1", server.port), WAIT_S))


def pid_of(client: Client, path: str = "/x") -> int:
    return int(client.ask(get(path)).body.split()[1])


def busy(server: Server, clients: list[Client], folder: Path) -> tuple[int, list[Client]]:
    """Have one worker at as many requests as it takes at once: which it is, and who waits for it."""
    owners = {client: pid_of(client) for client in clients}
    pid = max(set(owners.values()), key=list(owners.values()).count)
    threads = 2 if "gthread" in server.process.args else 1
    waiting = [client for client, owner in owners.items() if owner == pid][:threads]
    for client in waiting:
        (folder / "begun").unlink(missing_ok=True)
        client.send(get("/wait"))
        turn = threading.Event()
        for _ in range(4000):
            if (folder / "begun").exists():
                break
            turn.wait(0.005)
    spare = connect(server)  # a call counts as slow when it is not over at once
    since = time.monotonic()
    while time.monotonic() < since + 5 * LOOK_S:
        assert pid_of(spare) != pid
    spare.socket.close()
    return pid, waiting


def test_others_are_answered_while_one_waits(server: Server, tmp_path: Path) -> None:
    clients = [connect(server) for _ in range(10)]
    pid, waiting = busy(server, clients, tmp_path)
    others = [client for client in clients if client not in waiting]
    for _ in range(3):
        for client in others:
            client.send(get("/x"))
        assert {int(client.hear().body.split()[1]) for client in others} == {p for p in _pids(server) if p != pid}
    (tmp_path / "go").touch()
    assert [int(client.hear().body.split()[1]) for client in waiting] == [pid] * len(waiting)
    for client in clients:
        assert pid_of(client) in _pids(server)
        client.socket.close()
    assert server.stop() == 0


def test_what_is_sent_ahead_comes_in_order(server: Server, tmp_path: Path) -> None:
    clients = [connect(server) for _ in range(6)]
    _, waiting = busy(server, clients, tmp_path)
    client = next(client for client in clients if client not in waiting)
    client.send(b"".join(get(f"/{number}") for number in range(10)))
    assert [client.hear().body.split()[2].decode() for _ in range(10)] == [f"/{number}" for number in range(10)]
    (tmp_path / "go").touch()
    for client in clients:
        client.socket.close()


def _pids(server: Server) -> list[int]:
    return server.wait_ready(2)
