"""A server with two pools: `legacy`, WSGI on sync workers, and `modern`, ASGI."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server import WAIT_S, Server, clean_environ

HERE = Path(__file__).parent
TOML = """
[pools.legacy]
app = "pools_app:wsgi"
class = "sync"
workers = {legacy}
raw_env = ["POOL=legacy"]
{legacy_more}

[pools.modern]
app = "pools_app:asgi"
class = "asgi"
workers = {modern}
raw_env = ["POOL=modern"]
{modern_more}
"""


class Pools:
    """The folder with the settings, and the server in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Server = None  # type: ignore[assignment]  # `start` comes first
        self._started: list[Server] = []
        shutil.copy(HERE / "pools_app.py", folder / "pools_app.py")

    def configure(self, routes: str = "", *, legacy: int = 1, modern: int = 1, top: str = "", **more: str) -> None:
        """Write hybrid.toml: `top` are lines outside of any table, `legacy_more` and `modern_more` a pool's own."""
        tables = TOML.format(
            legacy=legacy,
            modern=modern,
            legacy_more=more.get("legacy_more", ""),
            modern_more=more.get("modern_more", ""),
        )
        lists = "".join(f"[[routes]]\npath = {json.dumps(p)}\npools = {w}\n" for p, _, w in _routes(routes))
        (self.folder / "hybrid.toml").write_text(f"{top}\n{tables}\n{lists}{more.get('bottom', '')}")

    def start(self, *options: str, ready: int = 2, environ: dict[str, str] | None = None) -> Server:
        self.server = Server(list(options), self.folder, environ)
        self._started.append(self.server)
        if ready:
            self.server.wait_ready(ready)
        return self.server

    def hybrid(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the commands that talk to the server."""
        return subprocess.run(
            [sys.executable, "-m", "hybrid", command, "--pid", str(self.server.pid), *arguments],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            env=clean_environ(),
            cwd=self.folder,
        )

    def told(self, command: str, *arguments: str) -> str:
        """The same, which must succeed."""
        done = self.hybrid(command, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def workers(self, pool: str) -> list[int]:
        """The pids of the ready workers of a pool."""
        found: list[dict[str, Any]] = json.loads(self.told("workers", "--json"))
        return sorted(worker["pid"] for worker in found if worker["pool"] == pool and worker["stage"] == "ready")

    def status(self, pool: str) -> dict[str, Any]:
        report = json.loads(self.told("status", "--json"))
        found: dict[str, Any] = next(one for one in report["pools"] if one["name"] == pool)
        return found

    def served_by(self, path: str = "/") -> str:
        """The pool that answers this path."""
        answer = self.server.get(path)
        assert answer.status == 200, answer.body
        return answer.body.split()[0].decode()

    def close(self) -> None:
        for server in self._started:
            server.destroy()


def _routes(text: str) -> Iterator[tuple[str, str, str]]:
    """From `/a/*=modern:10,legacy:90; /b=modern` what TOML needs."""
    for route in filter(None, (part.strip() for part in text.split(";"))):
        path, equals, pools = route.partition("=")
        weights = ", ".join("{} = {}".format(*(pool + ":1").split(":")[:2]) for pool in pools.split(","))
        yield path, equals, "{ " + weights + " }"


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[Pools]:
    made = Pools(tmp_path)
    yield made
    made.close()


MakePools = Callable[..., Pools]
