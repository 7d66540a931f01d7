"""The other guides of docs/migration.md: their commands, as the page has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.migration.guide import Step, example, guide
from tests.integration.server import EXAMPLES, WAIT_S, Server, clean_environ

FLASK = guide("From Flask to FastAPI, path by path")
GUNICORN = guide("From gunicorn with UvicornWorker")


class Reader:
    """Somebody who types what the page says, in a copy of the examples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Server | None = None

    def take(self, step: Step) -> list[str]:
        """Run the commands of a step; what each printed."""
        return [said for command in step.commands if (said := self._run(command)) is not None]

    def _run(self, command: list[str]) -> str | None:
        if command[0] == "cd":
            self.folder = self.folder / Path(command[1]).name
        elif command[0] == "cp":
            shutil.copy(self.folder / command[1], self.folder / command[2])
        elif command == ["hybrid"] or command[1].startswith("-"):
            self.server = Server(command[1:], self.folder)
            self.server.wait_ready(2)
        else:
            which = ["--pid", str(self.server.pid)] if self.server else []
            done = subprocess.run(
                [sys.executable, "-m", *command, *which],
                cwd=self.folder,
                env=clean_environ(),
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            return done.stdout
        return None


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for name in ("flask_app", "fastapi_app", "flask_migration"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    reader = Reader(tmp_path)
    yield reader
    if reader.server is not None:
        reader.server.destroy()


@pytest.mark.timeout(120)
def test_flask_moves_to_fastapi_path_by_path(reader: Reader) -> None:
    reader.take(FLASK[0])
    assert reader.server is not None
    url = reader.server.url
    old = httpx.get(f"{url}/process", timeout=WAIT_S).json()
    assert httpx.get(f"{url}/notes", timeout=WAIT_S).status_code == 404
    reader.take(FLASK[1])
    assert [note["title"] for note in httpx.get(f"{url}/notes", timeout=WAIT_S).json()] == ["welcome"]
    note = {"title": "a", "text": "b"}
    assert httpx.post(f"{url}/notes", json=note, timeout=WAIT_S).status_code == 201
    assert httpx.get(f"{url}/process", timeout=WAIT_S).json().keys() == old.keys()
    with connect(f"ws://127.0.0.1:{reader.server.port}/ws/echo", open_timeout=WAIT_S) as room:
        room.send("hello")
        assert "hello" in str(room.recv(WAIT_S))
    *_, routes = reader.take(FLASK[2])
    assert 'path = "/hello"' in routes
    assert _server_of_hello(url) == {"fastapi"}
    reader.take(FLASK[3])
    assert _server_of_hello(url) == {"flask"}


def _server_of_hello(url: str) -> set[str]:
    """FastAPI does not answer HEAD where only GET is defined; Flask does."""
    found = set()
    for _ in range(5):
        status = httpx.head(f"{url}/hello", timeout=WAIT_S).status_code
        found.add({405: "fastapi", 200: "flask"}[status])
    return found


def test_gunicorn_with_uvicorn_worker_changes_one_word(reader: Reader) -> None:
    (translated,) = reader.take(GUNICORN[0])
    assert "hybrid" in translated
    reader.take(GUNICORN[1])
    assert reader.server is not None
    reader.server.log.wait("uvicorn.workers.UvicornWorker is served by hybrid's own: -k asgi")
    assert len(httpx.get(f"{reader.server.url}/notes", timeout=WAIT_S).json()) == 1


def test_page_shows_the_settings_files_that_the_walk_uses() -> None:
    shown = [text for step in FLASK for text in step.settings]
    assert shown == [example(f"flask_migration/{name}.toml") for name in ("flask", "both")]
