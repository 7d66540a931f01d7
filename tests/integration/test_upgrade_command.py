"""`hybrid upgrade --wait` of the real command, under requests that come without a break."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, clean_environ

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("kind", ["sync", "gthread", "asgi"])
def test_no_request_is_lost(tmp_path: Path, serve: Serve, kind: str) -> None:
    (tmp_path / "shop.py").write_text(APP)
    server = serve("shop:app", "-k", kind, "-w", "2", "--pid", str(tmp_path / "run.pid"))
    server.wait_ready(2)
    is_over = threading.Event()
    answers: list[object] = []
    upgrades = 0

    def ask() -> None:
        while not is_over.is_set():
            try:
                answers.append(server.get().status)
            except OSError as error:
                answers.append(error)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        for command in ("reload", "upgrade", "reload", "upgrade"):
            full = [sys.executable, "-m", "hybrid", command, "--wait", "--pid", str(tmp_path / "run.pid")]
            done = subprocess.run(
                full, capture_output=True, text=True, timeout=WAIT_S, check=False, env=clean_environ()
            )
            assert (done.returncode, done.stderr) == (0, "")
            if command == "upgrade":
                upgrades += 1
                server.log.wait("The arbiter before this one", count=upgrades)
    finally:
        is_over.set()
        for client in clients:
            client.join(WAIT_S)
    assert set(answers) == {200}
    assert "is ignored" not in server.log.text
    os.kill(int((tmp_path / "run.pid").read_text()), 15)
    assert server.log.wait_end()
