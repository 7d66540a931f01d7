"""The logs of a real server, as they are configured for gunicorn and uvicorn."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server

APP = """
    import sys

    def app(environ, start_response):
        print("printed by the application", flush=True)
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Mine", "a")])
        return [b"ok"]

    async def asgi(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-mine", b"a")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""

JSON_FORMATTER = """
    import json
    import logging

    class Lines(logging.Formatter):
        def format(self, record):
            values = record.args if isinstance(record.args, dict) else {}
            return json.dumps({"logger": record.name, "level": record.levelname, "message": record.getMessage(),
                "status": values.get("s"), "path": values.get("U"), "mine": values.get("{x-mine}o")})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(textwrap.dedent(APP))
    (tmp_path / "lines.py").write_text(textwrap.dedent(JSON_FORMATTER))
    return tmp_path


@pytest.fixture
def datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(WAIT_S)
        yield sock


def write(folder: Path, text: str) -> None:
    (folder / "gunicorn.conf.py").write_text(textwrap.dedent(text))


def lines(server: Server, logger: str) -> list[dict[str, str]]:
    server.log.wait(rf'^{{"logger": "{re.escape(logger)}"')
    found = [json.loads(line) for line in server.log.text.splitlines() if line.startswith("{")]
    return [line for line in found if line["logger"] == logger]


@pytest.mark.parametrize("app", ["app", "asgi"])
def test_logconfig_dict_gets_gunicorns_records_with_the_atoms(serve: Serve, folder: Path, app: str) -> None:
    write(folder, 'logconfig_dict = {"formatters": {"generic": {"()": "lines.Lines"}}}')
    server = serve(f"site_app:{app}", folder=folder)
    server.log.wait(r'"message": "Worker ready')
    server.get("/a")
    (access,) = lines(server, "gunicorn.access")
    assert (access["status"], access["path"], access["mine"], access["level"]) == ("200", "/a", "a", "INFO")
    assert any(line["message"].startswith("Listening at: ") for line in lines(server, "gunicorn.error"))


@pytest.mark.parametrize(
    ("options", "app", "name"),
    [
        ((), "app", "sync"),
        ((), "asgi", "asgi"),
        (("--threads", "2"), "app", "gthread"),
        (("-k", "gthread"), "app", "gthread"),
        (("-k", "uvicorn.workers.UvicornWorker"), "asgi", "asgi"),
    ],
)
def test_lines_that_pipelines_look_for_come_in_gunicorns_words(
    serve: Serve, folder: Path, options: tuple[str, ...], app: str, name: str
) -> None:
    server = serve(f"site_app:{app}", *options, folder=folder)
    (worker,) = server.wait_ready()
    assert server.stop() == 0
    line = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[%d\] \[INFO\] %s"
    for pid, text in (
        (server.pid, r"Starting hybrid \S+$"),
        (server.pid, rf"Listening at: http://127\.0\.0\.1:\d+ \({server.pid}\)$"),
        (server.pid, f"Using worker: {name}$"),
        (server.pid, f"Booting worker with pid: {worker} "),
        (server.pid, "Handling signal: term$"),
        (worker, rf"Worker exiting \(pid: {worker}\)$"),
        (server.pid, "Shutting down: Master$"),
    ):
        assert re.search(line % (pid, text), server.log.text, re.MULTILINE), text
    assert server.log.text.count("Using worker: ") == 1


def test_logconfig_json_is_the_same_in_a_file(serve: Serve, folder: Path) -> None:
    config = {"version": 1, "formatters": {"generic": {"()": "lines.Lines"}}}
    (folder / "log.json").write_text(json.dumps(config))
    server = serve("site_app:app", "--log-config-json", "log.json", folder=folder)
    server.log.wait(r'"message": "Worker ready')
    server.get("/b")
    assert lines(server, "gunicorn.access")[0]["path"] == "/b"


def test_uvicorns_log_config_gets_uvicorns_records(serve: Serve, folder: Path) -> None:
    handler = {"class": "logging.StreamHandler", "formatter": "access"}
    config = {
        "version": 1,
        "formatters": {
            "access": {
                "()": "uvicorn.logging.AccessFormatter",
                "fmt": "ACCESS %(client_addr)s %(request_line)s %(status_code)s",
            },
            "default": {"()": "uvicorn.logging.DefaultFormatter", "fmt": "%(levelprefix)s %(message)s"},
        },
        "handlers": {"access": handler, "default": {**handler, "formatter": "default"}},
        "loggers": {
            "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }
    (folder / "log.json").write_text(json.dumps(config))
    server = serve("site_app:asgi", "--log-config", "log.json", folder=folder)
    server.log.wait(r"^INFO:     Worker ready")
    server.get("/c")
    server.log.wait(r"^ACCESS 127\.0\.0\.1:\d+ GET /c HTTP/1\.1 200$")


@pytest.mark.parametrize("app", ["app", "asgi"])
def test_a_subclass_of_gunicorns_logger_filters_the_access_log(serve: Serve, folder: Path, app: str) -> None:
    write(
        folder,
        """
        import logging
        from gunicorn.glogging import Logger

        class NoHealth(logging.Filter):
            def filter(self, record):
                return "/health" not in record.getMessage()

        class Mine(Logger):
            def setup(self, cfg):
                super().setup(cfg)
                logging.getLogger("gunicorn.access").addFilter(NoHealth())

        logger_class = Mine
        accesslog = "-"
        access_log_format = "%(m)s %(U)s %(s)s %({x-mine}o)s"
        """,
    )
    server = serve(f"site_app:{app}", folder=folder)
    server.wait_ready()
    server.get("/health")
    server.get("/d")
    server.log.wait(r"^GET /d 200 a$")
    assert "/health" not in server.log.text


def test_capture_output_puts_what_is_printed_into_the_error_log(serve: Serve, folder: Path) -> None:
    server = serve("site_app:app", "--capture-output", "--error-logfile", "error.log", folder=folder)
    assert server.get().body == b"ok"
    assert "printed by the application\n" in (folder / "error.log").read_text()
    assert server.stop() == 0
    assert server.log.text == ""


def test_metrics_have_gunicorns_names(serve: Serve, folder: Path, datagrams: socket.socket) -> None:
    port = datagrams.getsockname()[1]
    options = ["--statsd-host", f"127.0.0.1:{port}", "--statsd-prefix", "shop", "--dogstatsd-tags", "env:test"]
    server = serve("site_app:app", *options, folder=folder)
    server.wait_ready()
    server.get()
    seen = ""
    while "gunicorn.request.duration" not in seen:
        seen += datagrams.recv(65536).decode() + "\n"
    assert "shop.gunicorn.workers:1|g|#env:test\n" in seen
    assert "shop.gunicorn.requests:1|c|#env:test\n" in seen
    assert "shop.gunicorn.request.status.200:1|c|#env:test\n" in seen


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="TCP_INFO counts connections in a backlog on Linux only"
)
def test_connections_that_wait_for_accept_are_a_metric(serve: Serve, folder: Path, datagrams: socket.socket) -> None:
    to = f"127.0.0.1:{datagrams.getsockname()[1]}"
    options = ["-k", "sync", "--statsd-host", to, "--enable-backlog-metric"]
    server = serve("site_app:app", *options, folder=folder)
    (worker,) = server.wait_ready()
    seen = ""
    while "gunicorn.backlog:0|h" not in seen:
        seen += datagrams.recv(65536).decode() + "\n"
    os.kill(worker, signal.SIGSTOP)
    try:
        with server.connected(), server.connected(), server.connected():
            while "gunicorn.backlog:3|h" not in seen:
                seen += datagrams.recv(65536).decode() + "\n"
    finally:
        os.kill(worker, signal.SIGCONT)
    assert server.get().body == b"ok"


def test_syslog_gets_both_logs_under_two_program_names(serve: Serve, folder: Path, datagrams: socket.socket) -> None:
    to = f"udp://127.0.0.1:{datagrams.getsockname()[1]}"
    options = ["--log-syslog", "--log-syslog-to", to, "--log-syslog-prefix", "shop", "--log-syslog-facility", "local3"]
    server = serve("site_app:app", *options, folder=folder)
    server.wait_ready()
    server.get("/e")
    seen = b""
    while b"/e" not in seen:
        seen += datagrams.recv(65536) + b"\n"
    assert re.search(rb"^<158>gunicorn\.shop\.error: \[\d+\] \[INFO\] Starting hybrid", seen, re.MULTILINE)
    assert re.search(rb'^<158>gunicorn\.shop\.access: 127\.0\.0\.1 .*"GET /e HTTP/1\.1" 200', seen, re.MULTILINE)


def test_the_access_log_can_stay_out_of_syslog(serve: Serve, folder: Path, datagrams: socket.socket) -> None:
    to = f"udp://127.0.0.1:{datagrams.getsockname()[1]}"
    options = ["--log-syslog", "--log-syslog-to", to, "--disable-redirect-access-to-syslog"]
    server = serve("site_app:app", *options, folder=folder)
    server.wait_ready()
    server.get("/f")
    assert server.stop() == 0
    seen = b""
    while b"Shutting down" not in seen:
        seen += datagrams.recv(65536)
    assert b"/f" not in seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--log-config", "no.ini"), "setting logconfig: cannot read no.ini: no such file"),
        (("--logger-class", "no.such.Logger"), "setting logger_class: no.such.Logger: ModuleNotFoundError"),
        (("--statsd-host", "nonsense"), "setting statsd_host: found 'nonsense', expected HOST:PORT"),
        (("--log-syslog", "--log-syslog-facility", "x"), "setting syslog_facility: found 'x', expected one of"),
    ],
)
def test_logs_that_cannot_be_configured_end_the_start_with_one_line(
    serve: Serve, folder: Path, options: tuple[str, ...], message: str
) -> None:
    server = serve("site_app:app", *options, folder=folder)
    assert server.wait_exit() == 1
    assert message in server.log.text
    assert "Traceback" not in server.log.text
