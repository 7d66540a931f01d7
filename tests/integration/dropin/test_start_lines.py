"""Start lines as gunicorn's documentation and its users write them, with one word changed."""

from __future__ import annotations

import ast
import http.client
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.server import ROOT, WAIT_S, Log, launch

APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("STAGE", "ok").encode()]

application = app

def create_app(name="ok", *, upper=False):
    def made(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [(name.upper() if upper else name).encode()]
    return made

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""

LINES = {
    "site_app": b"ok",
    "site_app:app": b"ok",
    "--workers=2 site_app:app": b"ok",
    "-w 2 --threads 4 site_app:app": b"ok",
    "'site_app:create_app()'": b"ok",
    "'site_app:create_app(\"shop\", upper=True)'": b"SHOP",
    "-e STAGE=test --env OTHER=1 site_app:app": b"test",
    "-w 2 -k gevent --worker-connections 1000 site_app:app": b"ok",
    "--worker-class=gthread --threads=4 --timeout=120 --graceful-timeout 30 --keep-alive 5 site_app:app": b"ok",
    "-k uvicorn.workers.UvicornWorker -w 2 site_app:asgi": b"ok",
    "-k uvicorn_worker.UvicornWorker --forwarded-allow-ips='*' site_app:asgi": b"ok",
    "-k asgi --asgi-loop uvloop --asgi-lifespan off site_app:asgi": b"ok",
    "--log-level debug --access-logfile - --error-logfile - --capture-output site_app:app": b"ok",
    "--access-logfile - --access-logformat '%(h)s %({x-real-ip}i)s \"%(r)s\" %(s)s %(L)s' site_app:app": b"ok",
    "--max-requests 1000 --max-requests-jitter 50 --preload --worker-tmp-dir /dev/shm site_app:app": b"ok",
    "-n shop -p app.pid --umask 007 -t 0 site_app:app": b"ok",
    "--limit-request-line 0 --limit-request-fields 200 --limit-request-field_size 0 site_app:app": b"ok",
    "--pythonpath elsewhere,. --chdir . site_app:app": b"ok",
    "-c python:settings site_app:app": b"ok",
    "-c file:settings.py": b"ok",
}

VALUES = {
    "accesslog": "-",
    "ca_certs": None,  # files that there would have to be
    "certfile": None,
    "keyfile": None,
    "cert_reqs": None,
    "chdir": ".",
    "ciphers": "ECDHE+AESGCM",
    "config": "settings.py",
    "control_socket": "gunicorn.ctl",
    "group": str(os.getegid()),
    "user": str(os.geteuid()),
    "logconfig": None,
    "logconfig_json": None,
    "paste": "development.ini",
    "dirty_apps": "a:b",
    "proc_name": "shop",
    "pidfile": "run.pid",
    "pythonpath": ".",
    "raw_env": "A=b",
    "raw_paste_global_conf": "a=b",
    "reload_extra_files": "settings.py",
    "statsd_host": "127.0.0.1:9",
    "statsd_prefix": "shop",
    "dogstatsd_tags": "a:b",
    "ssl_version": "TLS",
    "syslog_addr": "udp://127.0.0.1:9",
    "syslog_prefix": "shop",
    "worker_tmp_dir": "/dev/shm",
    "worker_class": "gthread",
    "bind": None,  # below
    "daemon": None,
    "check_config": None,
    "print_config": None,
}
"""Where the default cannot be written on a command line, or would have an effect that ends the test."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_app.py").write_text(APP)
    (tmp_path / "settings.py").write_text("wsgi_app = 'site_app:app'\nworkers = 2\n")
    return tmp_path


def answer_of(words: list[str], folder: Path, environ: dict[str, str] | None = None) -> tuple[bytes, str]:
    """What the application answers when it is started like that, and what was logged until it had stopped."""
    process, log = launch([*words, "--bind", "127.0.0.1:0"], folder, environ)
    try:
        port = int(log.wait(r"Listening at: http://127\.0\.0\.1:(\d+)")[0][1])
        log.wait("Worker ready")
        body = fetch(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        assert log.wait_end()
        return body, log.text
    finally:
        end(process, log)


def fetch(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    connection.request("GET", "/", headers={"Connection": "close"})
    response = connection.getresponse()
    assert response.status == 200
    body = response.read()
    connection.close()
    return body


def end(process: subprocess.Popen[bytes], log: Log) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(WAIT_S)
    log.wait_end()
    log.close()


@pytest.mark.parametrize("line", LINES)
def test_a_start_line_of_gunicorns_serves(line: str, folder: Path) -> None:
    body, log = answer_of(shlex.split(line), folder)
    assert body == LINES[line]
    assert "Traceback" not in log


def test_gunicorn_cmd_args_are_a_start_line_too(folder: Path) -> None:
    body, log = answer_of(["site_app:app"], folder, {"GUNICORN_CMD_ARGS": "--workers=3 --access-logfile=-"})
    assert body == b"ok"
    assert log.count("Booting worker with pid") == 3
    assert '"GET / HTTP/1.1" 200' in log


def test_every_option_of_gunicorn_at_once(folder: Path) -> None:
    """All 100 or so on one line: each is accepted by the real command, and those without effect say so once."""
    words: list[str] = []
    for line in (ROOT / "tests" / "unit" / "settings" / "gunicorn_27.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, flags, form, default, _, _ = (part.strip() for part in line.split(" | "))
        value = VALUES.get(name, default)
        if flags == "-" or value is None:
            continue
        flag = flags.split()[-1]
        if form == "flag":
            words.append(flag)
        else:
            words += [flag, value if name in VALUES else str(ast.literal_eval(value))]
    assert len(words) > 130
    body, log = answer_of([*words, "site_app:app"], folder)
    assert body == b"ok"
    assert "Using worker: gthread" in log
    assert "Traceback" not in log
    for flag in ("--spew", "--paste", "--dirty-app", "--worker-tmp-dir", "--permit-obsolete-folding"):
        assert log.count(f"[WARNING] {flag} has no effect: ") == 1, flag
