"""gunicorn.conf.py with a real server: the hooks, their order and objects; and what a bad file leads to."""

from __future__ import annotations

import os
import re
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server

APP = """
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/boom":
            raise ValueError("boom")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
"""

CONF = """
    import os

    workers = 2

    def note(name, *objects):
        os.write(2, f"HOOK {name} {os.getpid()} {' '.join(map(str, objects))}\\n".encode())

    def on_starting(server):
        assert server.pid == os.getpid()
        note("on_starting", server.cfg.workers, server.num_workers, server.WORKERS)

    def on_reload(server):
        note("on_reload", server.num_workers)

    def when_ready(server):
        server.log.info("said by a hook")
        note("when_ready", len(server.LISTENERS))

    def pre_fork(server, worker):
        worker.mine = worker.age * 10
        note("pre_fork", worker.age, worker.pid, worker.ppid == server.pid)

    def post_fork(server, worker):
        assert worker.pid == os.getpid() != server.pid == os.getppid() == worker.ppid
        note("post_fork", worker.age, worker.mine, len(server.WORKERS))

    def post_worker_init(worker):
        cfg, sockets = worker.cfg, worker.sockets
        note("post_worker_init", worker.age, callable(worker.wsgi), worker.alive, cfg.proc_name, len(sockets))

    def pre_request(worker, req):
        req.mine = req.path
        note("pre_request", req.method, req.uri, dict(req.headers)["HOST"].partition(":")[0], worker.nr)

    def post_request(worker, req, environ, resp):
        note("post_request", req.mine, environ["PATH_INFO"], resp.status, worker.nr)

    def worker_int(worker):
        note("worker_int", worker.age)

    def worker_abort(worker):
        note("worker_abort", worker.age)

    def worker_exit(server, worker):
        note("worker_exit", worker.age, worker.alive)

    def child_exit(server, worker):
        assert server.pid == os.getpid()
        note("child_exit", worker.age, worker.pid in server.WORKERS)

    def nworkers_changed(server, new_value, old_value):
        note("nworkers_changed", new_value, old_value)

    def on_exit(server):
        note("on_exit", len(server.WORKERS))
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def files(**contents: str) -> Path:
        for name, text in {"site_app": APP, **contents}.items():
            path = tmp_path / ("gunicorn.conf.py" if name == "conf" else f"{name}.py")
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return files


def hooks(server: Server) -> list[str]:
    """The hooks called so far, as `name arguments`."""
    return re.findall(r"^HOOK (\w+) \d+", server.log.text, re.MULTILINE)


def test_hooks_are_called_in_gunicorns_order_with_live_objects(serve: Serve, write: Callable[..., Path]) -> None:
    server = serve("site_app:app", folder=write(conf=CONF))
    server.wait_ready(2)
    arbiter = server.pid
    first = int(server.log.wait(r"HOOK post_fork (\d+) 1 10 0")[0][1])
    text = server.log.text
    assert hooks(server)[:3] == ["nworkers_changed", "on_starting", "when_ready"]
    assert f"HOOK nworkers_changed {arbiter} 2 None" in text
    assert f"HOOK on_starting {arbiter} 2 2 {{}}" in text
    assert f"HOOK when_ready {arbiter} 1" in text
    assert "[INFO] said by a hook" in text
    assert f"HOOK pre_fork {arbiter} 1 [booting] True" in text
    assert f"HOOK post_worker_init {first} 1 True True site_app:app 1" in text
    order = [name for name, pid in re.findall(r"^HOOK (\w+) (\d+)", text, re.MULTILINE) if int(pid) == first]
    assert order == ["post_fork", "post_worker_init"]

    server.send(signal.SIGTTIN)
    server.wait_ready(3)
    server.log.wait(rf"HOOK nworkers_changed {arbiter} 3 2")
    server.send(signal.SIGHUP)
    server.log.wait(rf"HOOK on_reload {arbiter} 2")
    server.wait_ready(5)
    server.log.wait(rf"HOOK worker_exit {first} 1 False")
    server.log.wait(rf"HOOK child_exit {arbiter} 1 False")
    assert server.stop(signal.SIGQUIT) == 0
    assert len(re.findall("^HOOK worker_int", server.log.text, re.MULTILINE)) >= 2
    assert re.search(rf"HOOK on_exit {arbiter} 0\n", server.log.text)


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent", "asgi"])
def test_request_hooks_get_one_request_object_and_the_response(
    serve: Serve, write: Callable[..., Path], worker_class: str
) -> None:
    server = serve("site_app:app", "-w", "1", "-k", worker_class, folder=write(conf=CONF))
    server.wait_ready()
    assert server.get("/a?b=1").body == b"ok"
    assert server.get("/boom").status == 500
    server.log.wait(r"HOOK pre_request \d+ GET /a\?b=1 127\.0\.0\.1 \d")
    server.log.wait(r"HOOK post_request \d+ /a /a 200 OK \d")
    server.log.wait(r"HOOK post_request \d+ /boom /boom 500 Internal Server Error \d")


ASGI = """
    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http" or scope["path"] == "/boom":
            raise ValueError("boom")
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-mine", b"a")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.parametrize("options", [(), ("-k", "uvicorn.workers.UvicornWorker"), ("--access-logfile", "-")])
def test_request_hooks_are_called_around_asgi_requests(
    serve: Serve, write: Callable[..., Path], options: tuple[str, ...]
) -> None:
    server = serve("site_app:app", "-w", "1", *options, folder=write(conf=CONF, site_app=ASGI))
    server.wait_ready()
    assert server.get("/a?b=1").status == 201
    assert server.get("/boom").status == 500
    server.log.wait(r"HOOK pre_request \d+ GET /a\?b=1 127\.0\.0\.1 \d")
    server.log.wait(r"HOOK post_request \d+ /a /a 201 Created \d")
    server.log.wait(r"HOOK post_request \d+ /boom /boom 500 Internal Server Error \d")
    with server.connected() as sock:
        sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 403")
    assert server.stop() == 0
    assert hooks(server).count("pre_request") == hooks(server).count("post_request") == 2


@pytest.mark.parametrize(
    ("worker_class", "source"), [("sync", APP), ("gthread", APP), ("gevent", APP), ("asgi", APP), ("asgi", ASGI)]
)
def test_what_pre_request_raises_is_answered_as_what_the_application_raises(
    serve: Serve, write: Callable[..., Path], worker_class: str, source: str
) -> None:
    hook = "def pre_request(worker, req):\n    if req.path == '/refuse': raise KeyError('by hook')\n"
    server = serve("site_app:app", "-k", worker_class, folder=write(conf=hook, site_app=source))
    server.wait_ready()
    assert server.get("/refuse").status == 500
    server.log.wait("KeyError: 'by hook'")
    assert server.get("/").body == b"ok"


def test_pre_exec_is_called_in_the_process_that_becomes_the_new_arbiter(
    serve: Serve, write: Callable[..., Path], tmp_path: Path
) -> None:
    hook = """
        import os

        def pre_exec(server):
            os.environ["SEEN"] = "lost"  # gunicorn gives the new one the environment that the old one began with
            server.log.info("pre_exec old=%d new=%d workers=%s cfg=%s listeners=%d", server.pid, os.getpid(),
                sorted(server.WORKERS), server.cfg.workers, len(server.LISTENERS))

        def on_starting(server):
            server.log.info("seen=%s", os.environ.get("SEEN"))
    """
    server = serve("site_app:app", "-w", "1", "-p", "run.pid", folder=write(conf=hook))
    (worker,) = server.wait_ready()
    server.send(signal.SIGUSR2)
    new = int(server.log.wait(r"started a new arbiter \(pid (\d+)\)")[0][1])
    try:
        server.log.wait(rf"pre_exec old={server.pid} new={new} workers=\[{worker}\] cfg=1 listeners=1$")
        server.wait_ready(2)
        server.log.wait("seen=None", count=2)
        assert server.pid == int((tmp_path / "run.pid").read_text())
        assert new == int((tmp_path / "run.pid.2").read_text())
        server.send(signal.SIGTERM)
        server.log.wait(r"The arbiter before this one")
        assert server.get().body == b"ok"
        assert new == int((tmp_path / "run.pid").read_text())
    finally:
        os.kill(new, signal.SIGTERM)
    assert server.wait_exit() == 0


def test_an_upgrade_that_ends_is_noticed_where_the_settings_file_patches(
    serve: Serve, write: Callable[..., Path]
) -> None:
    hook = """
        from gevent import monkey
        monkey.patch_all()

        def pre_exec(server):
            raise SystemExit
    """
    server = serve("site_app:app", "-w", "1", folder=write(conf=hook))
    server.wait_ready()
    server.send(signal.SIGUSR2)
    server.log.wait(rf"Upgrade failed: the new arbiter \(pid \d+\) ended with code 1; pid {server.pid} serves on")
    assert server.get().body == b"ok"
    assert server.stop() == 0


def test_a_silent_worker_runs_worker_abort(serve: Serve, write: Callable[..., Path]) -> None:
    app = """
        import time

        def app(environ, start_response):
            while True:  # no exception that ends a request gets through
                try:
                    time.sleep(0.05)
                except BaseException:
                    pass
    """
    server = serve("site_app:app", "-w", "1", "-t", "1", folder=write(conf=CONF, site_app=app))
    (pid,) = server.wait_ready()
    with server.connected() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        server.log.wait(rf"HOOK worker_abort {pid} 1")
        server.log.wait(rf"HOOK worker_exit {pid}")
        server.log.wait(rf"HOOK child_exit {server.pid} 1")


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("workers = 2\nx = = 1\n", r"gunicorn\.conf\.py:2: SyntaxError"),
        ("workers = 2\n\n1 / 0\n", r"gunicorn\.conf\.py:3: ZeroDivisionError: division by zero"),
        ("\nworkers = 'many'\n", r"setting workers \(gunicorn\.conf\.py:2\): found 'many', expected a whole number"),
        (
            "def post_fork(worker):\n    pass\n",
            r"gunicorn\.conf\.py:1: hook post_fork takes \(worker\), expected 2 argum",
        ),
        (
            "def on_starting(server):\n    raise KeyError('x')\n",
            r"hook on_starting \(\S*gunicorn\.conf\.py:2\): KeyError",
        ),
        ("when_ready = 'no_such_module.hook'\n", r"hook when_ready: cannot import no_such_module"),
    ],
)
def test_a_bad_file_is_named_with_line_and_reason_and_the_exit_code_is_1(
    serve: Serve, write: Callable[..., Path], conf: str, message: str
) -> None:
    server = serve("site_app:app", folder=write(conf=conf))
    assert server.wait_exit() == 1
    assert re.search(message, server.log.text), server.log.text
    assert "Traceback" not in server.log.text


@pytest.mark.parametrize(
    "conf", ["x = = 1\n", "workers = 'many'\n", "def on_reload(server):\n    raise KeyError('x')\n"]
)
def test_a_file_that_went_bad_leaves_the_old_generation_serving(
    serve: Serve, write: Callable[..., Path], conf: str
) -> None:
    server = serve("site_app:app", folder=write(conf="workers = 1\n"))
    (pid,) = server.wait_ready()
    write(conf=conf)
    server.send(signal.SIGHUP)
    server.log.wait(r"Reload failed: .*(gunicorn\.conf\.py|on_reload)")
    assert server.get().body == b"ok"
    write(conf="workers = 1\n")
    server.send(signal.SIGHUP)
    server.wait_ready(2)
    server.wait_gone(pid)
    assert server.get().body == b"ok"


def test_gunicorn_cmd_args_name_the_file_and_lie_over_it(serve: Serve, write: Callable[..., Path]) -> None:
    folder = write(other="workers = 1\naccesslog = '-'\nproc_name = 'x'\n")
    environ = {"GUNICORN_CMD_ARGS": "-c other.py --workers 2 --access-logformat '%(s)s %(m)s line'"}
    server = serve("site_app:app", folder=folder, environ=environ)
    server.wait_ready(2)
    server.get()
    server.log.wait(r"^200 GET line$")
