"""With gunicorn itself installed beside us: what its users import from it goes on working.

Without it these are skipped, and tests in test_logs_dropin.py show the same with our stand-ins for its names.
"""

from __future__ import annotations

import importlib.util
import re
import signal
from pathlib import Path

import pytest

from tests.integration.conftest import Serve

if importlib.util.find_spec("gunicorn") is None:
    pytest.skip("gunicorn is not installed: pip install 'hybrid-arbiter[peers]'", allow_module_level=True)

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Mine", "a")])
    return [b"ok"]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-mine", b"a")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
BASE = """
from gunicorn.glogging import Logger

assert Logger.__module__ == "gunicorn.glogging" and hasattr(Logger, "atoms")
"""
SUBCLASS = """
class Mine(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.error_log.info("set up for %s", cfg.proc_name)

    def atoms(self, resp, request, environ, request_time):
        return {**super().atoms(resp, request, environ, request_time), "mine": request.path.upper()}

    def access(self, resp, req, environ, request_time):
        if req.path != "/health":
            super().access(resp, req, environ, request_time)

logger_class = Mine
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %({x-mine}o)s %({user-agent}i)s %(mine)s'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("app", ["app", "asgi"])
@pytest.mark.parametrize("as_text", [False, True], ids=["class", "path"])
def test_gunicorns_logger_writes_both_logs(serve: Serve, folder: Path, app: str, as_text: bool) -> None:
    own = "logger_class = 'gunicorn.glogging.Logger'\n" if as_text else BASE + "logger_class = Logger\n"
    (folder / "gunicorn.conf.py").write_text(own + "accesslog = 'access.log'\nerrorlog = 'error.log'\n")
    server = serve(f"site_app:{app}", "-w", "1", folder=folder)
    for _ in range(2):
        assert server.get("/a?b=1").body == b"ok"  # the socket listens already, so that it waits for the worker
    assert server.stop() == 0
    line = r'127\.0\.0\.1 - - \[[^]]+\] "GET /a\?b=1 HTTP/1\.1" 200 2 "-" "-"'
    assert len(re.findall(line, (folder / "access.log").read_text())) == 2
    assert re.search(r"\[INFO\] Listening at: ", (folder / "error.log").read_text())


@pytest.mark.parametrize("app", ["app", "asgi"])
def test_a_subclass_of_it_has_its_way(serve: Serve, folder: Path, app: str) -> None:
    (folder / "gunicorn.conf.py").write_text(BASE + SUBCLASS + "accesslog = '-'\nproc_name = 'shop'\n")
    server = serve(f"site_app:{app}", "-w", "1", folder=folder)
    server.wait_ready()
    server.log.wait("set up for shop")
    server.get("/health")
    server.get("/d")
    server.log.wait(r'^127\.0\.0\.1 "GET /d HTTP/1\.1" 200 2 a - /D$')
    server.send(signal.SIGUSR1)
    server.send(signal.SIGHUP)
    server.wait_ready(2)
    server.get("/e")
    server.log.wait(r'^127\.0\.0\.1 "GET /e HTTP/1\.1" 200 2 a - /E$')
    assert "/health" not in server.log.text
    assert server.stop() == 0


def test_its_statsd_logger_sends_its_metrics(serve: Serve, folder: Path) -> None:
    """What --statsd-host switches on under gunicorn, named outright."""
    (folder / "gunicorn.conf.py").write_text("logger_class = 'gunicorn.instrument.statsd.Statsd'\naccesslog = '-'\n")
    server = serve("site_app:app", "--statsd-host", "127.0.0.1:9", folder=folder)
    server.wait_ready()
    assert server.get().body == b"ok"
    server.log.wait('"GET / HTTP/1.1" 200')
    assert server.stop() == 0


@pytest.mark.parametrize(
    "name", ["gunicorn.workers.base.Worker", "gunicorn.workers.gtornado.TornadoWorker", "own.Mine"]
)
def test_worker_classes_written_for_it_are_refused_in_one_line(serve: Serve, folder: Path, name: str) -> None:
    (folder / "own.py").write_text("from gunicorn.workers.base import Worker\n\nclass Mine(Worker): ...\n")
    server = serve("site_app:app", "-k", name, folder=folder)
    assert server.wait_exit() == 1
    assert "Traceback" not in server.log.text
    assert "docs/workers.md" in server.log.text or "Tornado" in server.log.text
