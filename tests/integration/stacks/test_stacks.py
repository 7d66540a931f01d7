"""Whole stacks, unmodified, by the start lines they have under gunicorn and uvicorn, some of them behind nginx."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.integration.conftest import Serve
from tests.integration.server import EXAMPLES, WAIT_S, Server
from tests.integration.stacks.proxy import NGINX, Nginx

HERE = Path(__file__).parent
TRANSPORTS = ["tcp", "unix"]

Front = Callable[..., str]


@pytest.fixture
def front(serve: Serve, tmp_path: Path) -> Iterator[Front]:
    """`front("main:app", "-k", "gevent", transport="unix", folder=...)`: start it behind nginx; the URL."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    running: list[Nginx] = []

    def start(app: str, *options: str, transport: str, folder: Path, environ: dict[str, str] | None = None) -> str:
        path = tmp_path / "app.sock"
        bind = ("--bind", f"unix:{path}") if transport == "unix" else ()
        server = serve(app, *bind, *options, folder=folder, environ=environ)
        server.wait_ready()
        running.append(Nginx(f"unix:{path}" if transport == "unix" else f"127.0.0.1:{server.port}", tmp_path))
        return running[0].url

    yield start
    complaints = [nginx.stop() for nginx in running]
    assert not any(complaints), complaints


# -- Django, gunicorn.conf.py -----------------------------------------------------------------------------------


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(WAIT_S)
        yield sock


def test_django_with_the_gunicorn_conf_py_of_a_production_site(
    serve: Serve, statsd: socket.socket, migrated_database: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_database, tmp_path)
    access = tmp_path / "access.log"
    environ = {
        "MYSITE_DATA": str(tmp_path),
        "ACCESS_LOG": str(access),
        "STATSD": f"127.0.0.1:{statsd.getsockname()[1]}",
    }
    config = str(HERE / "gunicorn.conf.py")
    server = serve("mysite.wsgi:application", "-c", config, folder=EXAMPLES / "django_project", environ=environ)
    server.wait_ready(2)
    for line in ("on_starting mysite", r"when_ready workers=2", r"post_fork pid=\d+", "post_worker_init True"):
        server.log.wait(f"hook {line}")

    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "User-Agent": "test"}
    with httpx.Client(base_url=server.url, headers=forwarded, timeout=WAIT_S, trust_env=False) as browser:
        page = browser.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        fields = {"csrfmiddlewaretoken": token[1], "name": "Ada", "message": "Hello from the stack"}
        sent = browser.post("/", data=fields, headers={"Referer": f"https://127.0.0.1:{server.port}/"})
        assert sent.status_code in (200, 302), sent.text
        assert "Hello from the stack" in browser.get("/").text
    for _ in range(60):  # each on a new connection: workers retire meanwhile, and none of these may notice
        assert server.get("/hello/").status == 200
    server.log.wait("Autorestarting worker after current request")
    server.log.wait(r"hook worker_exit pid=\d+")
    server.log.wait(r"hook child_exit pid=\d+")

    metrics = ""
    while "mysite.gunicorn.request.status.200:" not in metrics or "mysite.gunicorn.request.duration:" not in metrics:
        metrics += statsd.recv(65536).decode() + "\n"
    assert server.stop() == 0
    server.log.wait("hook on_exit")
    lines = access.read_text().splitlines()
    assert len([line for line in lines if '"GET /hello/ HTTP/1.1" 200' in line]) == 60
    assert re.fullmatch(r'203\.0\.113\.7 - - \[[^]]+\] "GET / HTTP/1\.1" 200 \d+ "-" "test" \d+\.\d+', lines[0])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_django_behind_nginx_by_its_gunicorn_conf_py(
    front: Front, statsd: socket.socket, migrated_database: Path, tmp_path: Path, transport: str
) -> None:
    """Workers retire after some fifteen requests, while nginx keeps its connections: nobody may notice."""
    shutil.copy(migrated_database, tmp_path)
    environ = {
        "MYSITE_DATA": str(tmp_path),
        "ACCESS_LOG": str(tmp_path / "access.log"),
        "STATSD": f"127.0.0.1:{statsd.getsockname()[1]}",
    }
    config = str(HERE / "gunicorn.conf.py")
    folder = EXAMPLES / "django_project"
    url = front("mysite.wsgi:application", "-c", config, transport=transport, folder=folder, environ=environ)
    with httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False) as browser:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/").text)
        assert token is not None
        fields = {"csrfmiddlewaretoken": token[1], "name": "Ada", "message": "Hello through nginx"}
        # nginx says https, as which Django wants to see where the form came from.
        sent = browser.post("/", data=fields, headers={"Referer": url.replace("http:", "https:") + "/"})
        assert sent.status_code in (200, 302), sent.text
        assert "Hello through nginx" in browser.get("/").text
        assert {browser.get("/hello/").status_code for _ in range(60)} == {200}


# -- FastAPI, uvicorn's worker under gunicorn -------------------------------------------------------------------


def test_fastapi_by_the_line_that_gunicorn_and_uvicorn_share(serve: Serve) -> None:
    line = "-w 2 -k uvicorn.workers.UvicornWorker --timeout 60 --access-logfile - --forwarded-allow-ips=127.0.0.1"
    server = serve("main:app", *line.split(), folder=EXAMPLES / "fastapi_app")
    server.wait_ready(2)
    with httpx.Client(base_url=server.url, timeout=WAIT_S, trust_env=False) as client:
        assert client.get("/hello").text == "Hello, World!"
        assert client.post("/notes", json={"title": "one"}).status_code == 201
        assert client.post("/notes", json={"title": ""}).status_code == 422
    with connect(f"ws://127.0.0.1:{server.port}/ws/echo") as sock:
        sock.send("over the socket")
        assert sock.recv(timeout=WAIT_S) == "over the socket"
    server.log.wait('"GET /hello HTTP/1.1" 200')
    assert server.stop() == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_fastapi_and_its_websocket_behind_nginx(front: Front, transport: str) -> None:
    line = "-w 1 -k uvicorn.workers.UvicornWorker --timeout 60"
    url = front("main:app", *line.split(), transport=transport, folder=EXAMPLES / "fastapi_app")
    with httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False) as client:
        assert client.get("/hello").text == "Hello, World!"
        assert client.post("/notes", json={"title": "one"}).status_code == 201
        assert client.post("/notes", json={"title": ""}).status_code == 422
    with connect(url.replace("http", "ws") + "/ws/echo") as sock:
        sock.send("through nginx")
        assert sock.recv(timeout=WAIT_S) == "through nginx"


# -- Flask on gevent, behind nginx ------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_flask_on_gevent_behind_nginx(front: Front, transport: str) -> None:
    line = "-w 2 -k gevent --worker-connections 100 --timeout 60"
    url = front('main:create_app("Shop")', *line.split(), transport=transport, folder=EXAMPLES / "flask_app")
    body = os.urandom(5 << 20)
    with httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False, follow_redirects=True) as browser:
        assert "1 visits" in browser.get("/").text
        assert "signed in as Ada" in browser.post("/sign-in", data={"name": "Ada"}).text
        assert hashlib.sha256(body).hexdigest() in browser.put("/upload", content=body).text
        assert len(browser.get("/download?size=3000000").content) == 3_000_000
        assert browser.get("/error").status_code == 500
        assert browser.get("/hello").text == "Hello, World!"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nginx_keeps_its_connections_to_the_server(front: Front, transport: str) -> None:
    url = front("green_app:app", "-k", "gevent", transport=transport, folder=HERE.parent / "gevent")
    answers = [httpx.get(f"{url}/count", timeout=WAIT_S, trust_env=False).text for _ in range(5)]
    assert answers == ["1", "2", "3", "4", "5"]


# -- Django Channels --------------------------------------------------------------------------------------------


def hears(sock: ClientConnection) -> str:
    text: str = json.loads(sock.recv(timeout=WAIT_S))["text"]
    return text


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_channels_chat_behind_nginx(front: Front, transport: str) -> None:
    line = "-k uvicorn_worker.UvicornWorker"
    url = front("chat.asgi:application", *line.split(), transport=transport, folder=EXAMPLES / "channels_chat")
    assert "<title>Chat</title>" in httpx.get(url, timeout=WAIT_S, trust_env=False).text
    room = url.replace("http", "ws") + "/rooms/lobby/"
    with connect(room, origin=url) as ada:  # type: ignore[arg-type]  # an Origin is a str
        assert hears(ada) == "somebody came"
        with connect(room, origin=url) as bob:  # type: ignore[arg-type]
            assert [hears(ada), hears(bob)] == ["somebody came"] * 2
            bob.send(json.dumps({"text": "hello, Ada"}))
            assert [hears(ada), hears(bob)] == ["hello, Ada"] * 2
        assert hears(ada) == "somebody left: 1000"


# -- Starlette, server-sent events ------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_starlette_events_arrive_one_by_one_behind_nginx(front: Front, transport: str) -> None:
    url = front("main:app", transport=transport, folder=EXAMPLES / "starlette_app")
    with httpx.stream("GET", f"{url}/events?count=100000", timeout=WAIT_S, trust_env=False) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert [next(lines) for _ in range(3)] == ["data: tick 0", "", "data: tick 1"]


def test_uvicorn_own_line_for_starlette(serve: Serve) -> None:
    line = "--workers 1 --proxy-headers --no-server-header --lifespan on --timeout-keep-alive 5 --log-level info"
    server: Server = serve("main:app", *line.split(), folder=EXAMPLES / "starlette_app")
    server.wait_ready()
    answer = server.get("/hello/Ada")
    assert (answer.body, answer.headers["server"]) == (b"Hello, Ada!", None)
    assert server.stop() == 0
