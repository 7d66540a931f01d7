"""The kernel tells one worker of what all wait for. What it was told dies with it: the others look for themselves."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S
from tests.integration.workers.wire import Client, get

HERE = Path(__file__).parent
KINDS = ["deaf_workers:Sync", "deaf_workers:GThread"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(HERE / "deaf_workers.py", tmp_path)
    shutil.copy(HERE / "chaos_app.py", tmp_path)
    return tmp_path


def ask(port: int, path: str) -> tuple[int, int]:
    """The status, and the pid in the answer."""
    client = Client(socket.create_connection(("127.0.0.1", port), WAIT_S))
    with client.socket:
        heard = client.ask(get(path))
    return heard.status, int(heard.body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_connection_is_found(serve: Serve, folder: Path, kind: str) -> None:
    server = serve("chaos_app:wsgi_app", "-k", kind, "-w", "2", environ={"PYTHONPATH": str(folder)})
    server.wait_ready(2)
    assert ask(server.port, "/")[0] == 200
    assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_was_left_to_the_pool_is_found(serve: Serve, folder: Path, kind: str) -> None:
    options = ["-k", "sync", "-w", "1", "--pool", f"b=chaos_app:wsgi_app,class={kind},workers=1", "--route", "/b/*=b"]
    server = serve("chaos_app:wsgi_app", *options, "--handoff-timeout", "60", environ={"PYTHONPATH": str(folder)})
    server.wait_ready(2)
    assert ask(server.port, "/a/")[0] == 200
    status, pid = ask(server.port, "/b/")
    assert status == 200
    assert pid != ask(server.port, "/a/")[1]
    assert server.stop() == 0
