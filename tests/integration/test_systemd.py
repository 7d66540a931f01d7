"""What is in docs/deploy, and socket activation by the real program, where systemd is installed."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.server import ROOT, WAIT_S, Log, clean_environ

DEPLOY = ROOT / "docs" / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_valid(tmp_path: Path) -> None:
    for unit in DEPLOY.iterdir():
        # Program and folder are the reader's; verify wants them to exist.
        text = unit.read_text().replace("/srv/shop/venv/bin/hybrid", sys.executable).replace("/srv/shop", str(tmp_path))
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name) for unit in DEPLOY.iterdir()]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
def test_socket_activation(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '2')])\n"
        "    return [b'ok']\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reading, writing = os.pipe()
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", sys.executable, "-m", "hybrid", "shop:app"]
    process = subprocess.Popen(command, cwd=tmp_path, env=clean_environ(), stdout=writing, stderr=writing)
    os.close(writing)
    log = Log(reading)
    try:
        log.wait("Listening on")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("GET", "/")  # this starts the server, and waits for it
        assert connection.getresponse().read() == b"ok"
        connection.close()
        log.wait(rf"Listening at: http://127\.0\.0\.1:{port}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        assert log.wait_end()
    finally:
        process.kill()
        process.wait(WAIT_S)
        log.wait_end()
        log.close()
