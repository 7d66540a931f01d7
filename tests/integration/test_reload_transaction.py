"""`hybrid reload --wait` with releases that cannot serve: exit code 1, the cause, and the old workers as they were."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server, clean_environ

GOOD = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    status = 500 if scope["path"] == "/healthz" and BAD_HEALTH else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": RELEASE})

BAD_HEALTH = False
RELEASE = b"v1"
"""

WSGI = """
def app(environ, start_response):
    status = "500 Oh" if environ["PATH_INFO"] == "/healthz" and BAD_HEALTH else "200 OK"
    start_response(status, [("Content-Length", "2")])
    return [RELEASE]

BAD_HEALTH = False
RELEASE = b"v1"
"""

RELEASES = {
    "syntax error": ("def app(:\n", "SyntaxError: "),
    "import error": ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
    "missing attribute": ("application_ = 1\n", "no attribute 'app'"),
    "exception at import": ("print(1 / 0)\n", "ZeroDivisionError: division by zero"),
    "startup.failed": (
        GOOD.replace('"lifespan.startup.complete"', '"lifespan.startup.failed", "message": "no database"'),
        "no database",
    ),
    "probe answers 500": (GOOD.replace("BAD_HEALTH = False", "BAD_HEALTH = True"), "GET /healthz: answered 500"),
    "probe hangs": (
        GOOD.replace(
            "status = 500", "await __import__('asyncio').sleep(600 * (scope['path'] == '/healthz')); status = 500"
        ),
        "not ready after 3 s",
    ),
    "hang at import": ("import time; time.sleep(600)\n", "not ready after 3 s"),
    "os._exit": ("import os; os._exit(3)\n", "exited with code 3 before it was ready"),
    "segmentation fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n", "ended by SIGSEGV"),
}


def reload(server: Server) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hybrid", "reload", "--wait", "--pid", str(server.pid)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, env=clean_environ())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "shop.py").write_text(GOOD)
    (folder / "hybrid.toml").write_text('boot_timeout = 3\nready_probe = "/healthz"\n')
    server = Server(["-w", "2", "shop:app"], folder)
    server.wait_ready(2)
    yield server, folder
    server.destroy()


@pytest.mark.parametrize("name", RELEASES)
def test_release_that_cannot_serve_changes_nothing(site: tuple[Server, Path], name: str) -> None:
    server, folder = site
    source, cause = RELEASES[name]
    pids = server.wait_ready(2)
    (folder / "shop.py").write_text(source)
    done = reload(server)
    assert done.returncode == 1, done
    assert cause in done.stderr
    assert re.search(r"Reload failed: generation \d+: .*; generation 0 serves on", done.stderr)
    assert server.get("/").body == b"v1"
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert server.log.text.count("Worker ready") == 2


@pytest.mark.parametrize("text", ["workers = [", 'timeout = "soon"'])
def test_settings_file_that_is_broken_changes_nothing(site: tuple[Server, Path], text: str) -> None:
    server, folder = site
    before = (folder / "hybrid.toml").read_text()
    (folder / "hybrid.toml").write_text(text)
    done = reload(server)
    (folder / "hybrid.toml").write_text(before)
    assert done.returncode == 1
    assert "hybrid.toml" in done.stderr
    assert "nothing was changed" in done.stderr
    assert server.get("/").status == 200


def test_settings_that_ask_for_a_port_in_use_change_nothing(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "shop.py").write_text(GOOD)
    settings = tmp_path / "hybrid.toml"
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as taken:
        port = free.getsockname()[1]
        free.close()
        settings.write_text(f'bind = "127.0.0.1:{port}"\n')
        from tests.integration.server import launch

        process, log = launch(["shop:app"], tmp_path)
        try:
            log.wait("Worker ready")
            settings.write_text(f'bind = "127.0.0.1:{taken.getsockname()[1]}"\n')
            command = [sys.executable, "-m", "hybrid", "reload", "--wait", "--pid", str(process.pid)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
            assert done.returncode == 1
            assert "the address is in use" in done.stderr
            with socket.create_connection(("127.0.0.1", port), WAIT_S):
                pass
        finally:
            process.terminate()
            process.wait(WAIT_S)
            log.close()


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent", "asgi"])
def test_probe_is_answered_by_the_worker_before_it_serves_others(
    tmp_path: Path, serve: Serve, worker_class: str
) -> None:
    source = GOOD if worker_class == "asgi" else WSGI
    (tmp_path / "shop.py").write_text(source)
    server = serve("shop:app", "-k", worker_class, "--ready-probe", "/healthz", "--access-logfile", "-")
    server.wait_ready()
    assert server.get("/").body == b"v1"
    server.log.wait(r'"GET /healthz HTTP/1.1" 200')
    (tmp_path / "shop.py").write_text(source.replace("BAD_HEALTH = False", "BAD_HEALTH = True"))
    done = reload(server)
    assert done.returncode == 1
    assert "ready probe: GET /healthz: answered 500" in done.stderr
    assert server.get("/").body == b"v1"
    (tmp_path / "shop.py").write_text(source.replace('b"v1"', 'b"v2"'))
    done = reload(server)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.get("/").body == b"v2"
    assert server.stop() == 0


def test_first_generation_that_fails_the_probe_ends_with_3(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "shop.py").write_text(WSGI.replace("BAD_HEALTH = False", "BAD_HEALTH = True"))
    server = serve("shop:app", "--ready-probe", "//shop.example/healthz")
    assert server.wait_exit() == 3
    assert "ready probe: GET //shop.example/healthz: answered 500" in server.log.text
