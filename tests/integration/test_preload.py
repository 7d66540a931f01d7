"""`--preload`: one import per release, replacements at once and of the same code, a new template with each reload."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S, Server, clean_environ

SLOW_IMPORT = """
import os, time
time.sleep(2)
print(f"imported {VERSION} by {os.getpid()}", flush=True)

def wsgi(environ, start_response):
    body = f"{VERSION} {os.getpid()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = f"{VERSION} {os.getpid()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


def write(folder: Path, version: str) -> None:
    partial = folder / "shop.partial"
    partial.write_text(f"VERSION = {version!r}\n{SLOW_IMPORT}")
    partial.replace(folder / "shop.py")


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "hybrid", *arguments, "--pid", str(server.pid)]
    return subprocess.run(full, capture_output=True, text=True, timeout=WAIT_S, check=False, env=clean_environ())


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent", "asgi"])
def test_replacement_is_ready_at_once_with_the_code_of_its_generation(tmp_path: Path, serve: Serve, kind: str) -> None:
    write(tmp_path, "v1")
    server = serve(f"shop:{'asgi' if kind == 'asgi' else 'wsgi'}", "-k", kind, "-w", "2", "--preload")
    first, second = server.wait_ready(2)
    write(tmp_path, "v2")
    for victim in (second, first):
        count = server.log.text.count("Worker ready")
        os.kill(victim, signal.SIGKILL)
        ready = server.log.wait(r"Worker ready \(pid: \d+\) .* boot_s=([\d.]+)", count=count + 1)[-1]
        assert float(ready[1]) < 1.0, "it imported the application, which takes 2 s"
        assert server.get("/").body.startswith(b"v1 ")
    assert server.log.text.count("imported v1") == 1
    done = command(server, "reload", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.get("/").body.startswith(b"v2 ")
    assert server.log.text.count("imported v2") == 1
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent", "asgi"])
def test_replacement_imports_nothing(tmp_path: Path, serve: Serve, kind: str) -> None:
    """What takes time after the fork is paid again and again: a worker that is made of a template has it all."""
    (tmp_path / "shop.py").write_text(
        "import os, sys, threading\n"
        "AT_IMPORT = []\n"
        "os.register_at_fork(after_in_child=lambda: AT_IMPORT.__setitem__(slice(None), sys.modules))\n"
        "def wsgi(environ, start_response):\n"
        "    body = ' '.join(set(sys.modules) - set(AT_IMPORT)).encode()\n"
        "    start_response('200 OK', [('Content-Length', str(len(body)))])\n"
        "    return [body]\n"
        "async def asgi(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        raise NotImplementedError\n"
        "    body = ' '.join(set(sys.modules) - set(AT_IMPORT)).encode()\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': body})\n"
    )
    server = serve(f"shop:{'asgi' if kind == 'asgi' else 'wsgi'}", "-k", kind, "--preload")
    (first,) = server.wait_ready()
    os.kill(first, signal.SIGKILL)
    server.wait_ready(2)
    assert server.get("/").body.split() == []
    assert server.stop() == 0


def test_greenlets_and_a_hub_of_the_import_live_on_in_each_worker(tmp_path: Path, serve: Serve) -> None:
    """gevent: the import has waited and resolved a name, and left a greenlet that waits. A thread would be lost."""
    (tmp_path / "shop.py").write_text(
        "import os, socket, time, gevent, gevent.event, gevent.threadpool\n"
        "socket.getaddrinfo('localhost', 80)\n"
        "time.sleep(0.01)\n"
        "beats = []\n"
        "beaten = gevent.event.Event()\n"
        "def beat():\n"
        "    while True:\n"
        "        time.sleep(0.05)\n"
        "        beats.append(os.getpid())\n"
        "        beaten.set()\n"
        "gevent.spawn(beat)\n"
        "def wsgi(environ, start_response):\n"
        "    beats.clear()\n"
        "    beaten.clear()\n"
        "    beaten.wait()\n"
        "    socket.getaddrinfo('localhost', 80)\n"
        "    gevent.get_hub().threadpool.apply(len, ('',))\n"
        "    done = os.popen('echo done').read()\n"
        "    start_response('200 OK', [])\n"
        "    return [f'{os.getpid()} {set(beats)} {done}'.encode()]\n"
    )
    server = serve("shop:wsgi", "-k", "gevent", "--preload")
    (first,) = server.wait_ready()
    assert server.get("/").body.decode() == f"{first} {{{first}}} done\n"
    os.kill(first, signal.SIGKILL)
    second = server.wait_ready(2)[1]
    assert server.get("/").body.decode() == f"{second} {{{second}}} done\n"
    assert "[ERROR] Exception" not in server.log.text
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_settings_file_that_patches_with_gevent_does_not_stand_in_the_way(
    tmp_path: Path, serve: Serve, kind: str
) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("from gevent import monkey\nmonkey.patch_all()\npreload_app = True\n")
    write(tmp_path, "v1")
    server = serve("shop:wsgi", "-k", kind, "-w", "2", "-c", "gunicorn.conf.py")
    first, second = server.wait_ready(2)
    for count, victim in enumerate((first, second), 3):
        os.kill(victim, signal.SIGKILL)
        server.wait_ready(count)
        assert server.get("/").body.startswith(b"v1 ")
    assert server.log.text.count("imported v1") == 1
    assert server.stop() == 0


def test_template_that_dies_is_said_and_made_anew(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, "v1")
    server = serve("shop:wsgi", "-k", "sync", "--preload")
    (first,) = server.wait_ready()
    (template,) = children(server.pid) - {first}
    os.kill(template, signal.SIGKILL)
    server.log.wait(r"\[WARNING\] The template of generation 0 \(pool main\) ended")
    os.kill(first, signal.SIGKILL)
    server.wait_ready(2)
    assert server.log.text.count("imported v1") == 2
    assert len(children(server.pid)) == 2
    assert server.stop() == 0


def test_nothing_outlives_an_arbiter_that_is_killed(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, "v1")
    server = serve("shop:wsgi", "-k", "sync", "-w", "2", "--preload", "--graceful-timeout", "2")
    server.wait_ready(2)
    server.send(signal.SIGKILL)
    server.wait_exit()


def test_import_that_fails_ends_with_4(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "shop.py").write_text("import no_such_module\n")
    server = serve("shop:wsgi", "-w", "3", "--preload")
    assert server.wait_exit() == 4
    assert server.log.text.count("Booting worker") == 1


def test_audit_names_what_a_fork_does_not_share(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "shop.py").write_text(
        "import socket, threading, time\n"
        "left = socket.socket()\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True, name='metrics').start()\n"
        "socket.socket().close()\n"
        "threading.Thread(target=len, args=('',)).start()\n"
        "def wsgi(environ, start_response): ...\n"
    )
    server = serve("shop:wsgi", "-k", "sync", "--preload")
    server.wait_ready()
    said = re.findall(r"\[WARNING\] Preload: (.*)", server.log.text)
    assert len(said) == 2
    assert re.match(r"thread 'metrics' started at .*/shop\.py:3 runs in one worker only", said[0])
    assert re.match(r"socket \d+ opened at .*/shop\.py:2 is shared by all workers", said[1])
    assert server.stop() == 0


FIRST = """
import os, sys, threading
COUNT = 0
def wsgi(environ, start_response):
    global COUNT
    COUNT += 1
    if environ["PATH_INFO"] == "/warm":
        print("warmed by", environ["HTTP_HOST"], environ["QUERY_STRING"], environ["wsgi.url_scheme"], flush=True)
    if environ["PATH_INFO"] == "/left":
        global left
        left = open("left.db", "w+")
    if environ["PATH_INFO"] == "/raises":
        raise LookupError("not there yet")
    body = f"{COUNT} {os.getpid()}".encode()
    start_response("404 Not Found" if environ["PATH_INFO"] == "/none" else "200 OK", [])
    yield body
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent", "asgi"])
def test_preload_request_is_made_in_the_template_only_and_all_workers_have_what_came_of_it(
    tmp_path: Path, serve: Serve, kind: str
) -> None:
    (tmp_path / "shop.py").write_text(FIRST)
    path = "//shop.example/warm?now"
    server = serve("shop:wsgi", "-k", kind, "-w", "2", "--preload", "--preload-request", path)
    first, second = server.wait_ready(2)
    assert server.log.text.count("warmed by shop.example now http") == 10
    assert re.search(r"\[INFO\] Preload: GET //shop\.example/warm\?now answered 200 after \d", server.log.text)
    os.kill(first, signal.SIGKILL)
    server.wait_ready(3)
    os.kill(second, signal.SIGKILL)
    server.wait_ready(4)
    assert server.get("/").body.startswith(b"11 "), "it was made of a template that had served ten"
    assert server.log.text.count("warmed by") == 10
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/raises",
            r"\[ERROR\] Preload: GET /raises failed; the workers start(?s:.*)LookupError: not there yet",
        ),
        ("/none", r"\[WARNING\] Preload: GET /none answered 404, expected a status below 400"),
        ("/left", r"\[WARNING\] Preload: file \d+, .*/left\.db, which is open for writing, is shared by all workers"),
    ],
)
def test_preload_request_that_goes_wrong_is_said_and_the_workers_start(
    tmp_path: Path, serve: Serve, path: str, said: str
) -> None:
    (tmp_path / "shop.py").write_text(FIRST)
    server = serve("shop:wsgi", "-k", "sync", "--preload", "--preload-request", path)
    server.wait_ready()
    assert re.search(said, server.log.text)
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_preload_request_to_an_asgi_application_is_said_not_to_be_made(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "shop.py").write_text(FIRST)
    server = serve("shop:asgi", "-k", "asgi", "--preload", "--preload-request", "/warm")
    server.wait_ready()
    assert "[WARNING] Preload: GET /warm is not made: preload_request is for WSGI" in server.log.text
    assert server.stop() == 0


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
