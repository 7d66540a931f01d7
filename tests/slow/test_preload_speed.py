"""How long a killed worker of a preloaded application is missed, when the import takes five seconds. Prints it."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

from tests.integration.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

IMPORT_S = 5
APP = f"""
import time
time.sleep({IMPORT_S})

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []

async def asgi(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({{"type": "lifespan.startup.complete"}})
    await receive()
    await send({{"type": "lifespan.shutdown.complete"}})
"""


@pytest.mark.parametrize("kind", ["sync", "gthread", "asgi"])
def test_ten_replacements(tmp_path: Path, kind: str) -> None:
    (tmp_path / "shop.py").write_text(APP)
    server = Server(["-k", kind, "-w", "2", "--preload", f"shop:{'asgi' if kind == 'asgi' else 'wsgi'}"], tmp_path)
    try:
        alive = server.wait_ready(2)
        missed = []
        for number in range(10):
            time.sleep(1.1)  # one that served for a second is replaced at once, however often
            began = time.monotonic()
            os.kill(alive.pop(0), signal.SIGKILL)
            alive.append(int(server.log.wait(r"Worker ready \(pid: (\d+)\)", count=3 + number)[-1][1]))
            missed.append(1000 * (time.monotonic() - began))
        print(f"{kind}: median {statistics.median(missed):.0f} ms, at most {max(missed):.0f} ms")
        assert max(missed) < 1000 * IMPORT_S / 5, "it was imported anew"
        assert server.stop() == 0
    finally:
        server.destroy()
