"""Fixtures: running servers, the example applications on them, and their database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.gate import APPS, KINDS, Gate
from tests.integration.server import EXAMPLES, Server

Serve = Callable[..., Server]


@pytest.fixture(scope="session", autouse=True)
def ends_in_order() -> Iterator[None]:
    """A run of the tests that is told to end takes its servers along, as one that is interrupted does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve("main:app", "-k", "sync", folder=..., environ=...)`: start a server that ends with the test."""
    servers: list[Server] = []

    def start(app: str, *options: str, folder: Path = tmp_path, environ: dict[str, str] | None = None) -> Server:
        server = Server([*options, app], folder, environ)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.destroy()


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[[str], Path]:
    """`write_app(source)` puts an application in the test's folder as site_app.py and returns its path."""

    def write(source: str) -> Path:
        path = tmp_path / "site_app.py"
        # Replaced whole: a worker that imports at this moment must see the old text or the new one.
        partial = tmp_path / "site_app.partial"
        partial.write_text(textwrap.dedent(source))
        partial.replace(path)
        return path

    return write


def watched(server: Server) -> Iterator[Server]:
    """A shared server for one test: what it logged meanwhile goes to the report of a failed test."""
    before = len(server.log.text)
    yield server
    print(f"--- the server's log during this test\n{server.log.text[before:][-12000:]}")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Django example's database with its tables and the user admin/admin; to be copied, not used."""
    folder = tmp_path_factory.mktemp("django")
    manage = [sys.executable, str(EXAMPLES / "django_project" / "manage.py")]
    environ = {
        **os.environ,
        "MYSITE_DATA": str(folder),
        "DJANGO_SUPERUSER_USERNAME": "admin",
        "DJANGO_SUPERUSER_PASSWORD": "admin",
        "DJANGO_SUPERUSER_EMAIL": "admin@example.org",
    }
    subprocess.run([*manage, "migrate", "--verbosity", "0"], env=environ, check=True, timeout=50)
    subprocess.run([*manage, "createsuperuser", "--noinput", "--verbosity", "0"], env=environ, check=True, timeout=50)
    return folder / "db.sqlite3"


@pytest.fixture(
    scope="module",
    params=[
        ("sync", "mysite.wsgi:application"),
        ("gthread", "mysite.wsgi:application"),
        ("gevent", "mysite.wsgi:application"),
        ("asgi", "mysite.wsgi:application"),
        ("asgi", "mysite.asgi:application"),
    ],
    ids=lambda param: f"{param[0]}-{param[1].split(':')[0]}",
)
def django_server(
    request: pytest.FixtureRequest, migrated_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The Django project on two workers of every class that can serve it, with a database of its own."""
    data = tmp_path_factory.mktemp("site")
    shutil.copy(migrated_database, data)
    worker_class, app = request.param
    options = ["-k", worker_class, "-w", "2", *(["--threads", "4"] if worker_class == "gthread" else [])]
    server = Server([*options, app], EXAMPLES / "django_project", {"MYSITE_DATA": str(data)})
    yield server
    server.destroy()


@pytest.fixture(scope="module", params=["sync", "gthread", "gevent", "asgi"])
def flask_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The Flask application, made by its factory, on every worker class."""
    server = Server(["-k", request.param, 'main:create_app("Shop")'], EXAMPLES / "flask_app")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def fastapi_server() -> Iterator[Server]:
    """The FastAPI application on one worker, so that what one request stores the next one sees."""
    server = Server(["-k", "asgi", "main:app"], EXAMPLES / "fastapi_app")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def starlette_server() -> Iterator[Server]:
    """The Starlette application, its worker class left to `auto`."""
    server = Server(["main:app"], EXAMPLES / "starlette_app")
    yield server
    server.destroy()


@pytest.fixture
def django(django_server: Server) -> Iterator[Server]:
    yield from watched(django_server)


@pytest.fixture
def flask(flask_server: Server) -> Iterator[Server]:
    yield from watched(flask_server)


@pytest.fixture
def fastapi(fastapi_server: Server) -> Iterator[Server]:
    yield from watched(fastapi_server)


@pytest.fixture
def starlette(starlette_server: Server) -> Iterator[Server]:
    yield from watched(starlette_server)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def gated(request: pytest.FixtureRequest, serve: Serve, gate: Gate) -> Callable[..., Server]:
    """`gated("-w", "2")`: the gated application on every worker class, with further options."""

    def start(*options: str) -> Server:
        worker_class, app = KINDS[request.param]
        return serve(app, "-k", worker_class, *options, folder=APPS, environ=gate.environ)

    return start
