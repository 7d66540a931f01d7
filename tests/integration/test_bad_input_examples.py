"""Everything that can be wrong at the start: one clear line, the right exit code, never a traceback of ours."""

from __future__ import annotations

import os
import re
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.server import WAIT_S, launch

GOOD = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

async def asgi_app(scope, receive, send):
    raise NotImplementedError

not_callable = 5

def broken_factory():
    raise LookupError("the factory cannot find its settings")
"""


@dataclass(frozen=True)
class Case:
    arguments: list[str]
    code: int
    says: str
    """A pattern in one line of what it says."""
    files: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    has_traceback: bool = False
    """The application's own."""


CASES = {
    "no application": Case([], 1, r"(?i)no application|APP"),
    "no such module": Case(["nowhere.wsgi"], 4, r"nowhere"),
    "no such attribute": Case(["good:application_x"], 4, r"good.*application_x|application_x.*good"),
    "file instead of a module": Case(["good.py"], 4, r"good:app|good\b"),
    "not callable": Case(["good:not_callable"], 4, r"not_callable.*(int|callable)|(int|callable).*not_callable"),
    "import error in the application": Case(
        ["broken:app"], 4, r"no_such_dependency", {"broken.py": "import no_such_dependency\n"}, has_traceback=True
    ),
    # The broken line is in no call, hence the one File line and no traceback.
    "syntax error in the application": Case(
        ["broken:app"], 4, r'(?s)File ".*/broken\.py", line 1\n.*SyntaxError: ', {"broken.py": "def app(:\n"}
    ),
    "application that raises at import": Case(
        ["broken:app"],
        4,
        r"RuntimeError: at import",
        {"broken.py": "raise RuntimeError('at import')\n"},
        has_traceback=True,
    ),
    "application that exits at import": Case(
        ["broken:app"], 4, r"SystemExit|exit", {"broken.py": "raise SystemExit(7)\n"}, has_traceback=True
    ),
    "factory that raises": Case(
        ["good:broken_factory()"], 4, r"LookupError: the factory cannot find its settings", has_traceback=True
    ),
    "factory without the option": Case(["--factory", "good:no_factory"], 4, r"no_factory"),
    "ASGI application on a WSGI worker": Case(
        ["-k", "sync", "good:asgi_app"], 4, r"hybrid .*-k (asgi|auto).* good:asgi_app"
    ),
    "ASGI application on a threaded WSGI worker": Case(
        ["-k", "gthread", "good:asgi_app"], 4, r"hybrid .*-k (asgi|auto).* good:asgi_app"
    ),
    "unknown worker class": Case(["-k", "synk", "good:app"], 1, r"synk.*sync"),
    "worker class whose package is missing": Case(["-k", "nowhere_workers.Fancy", "good:app"], 1, r"nowhere_workers"),
    "number that is none": Case(["-w", "many", "good:app"], 1, r"many"),
    "negative number": Case(["-w", "-1", "good:app"], 1, r"-1"),
    "value in the environment": Case(
        ["good:app"], 1, r"WEB_CONCURRENCY.*lots|lots.*WEB_CONCURRENCY", environ={"WEB_CONCURRENCY": "lots"}
    ),
    "value in a file": Case(
        ["good:app"], 1, r"hybrid\.toml(:|, line )2.*", {"hybrid.toml": '# settings\ntimeout = "soon"\n'}
    ),
    "unknown key in a file": Case(["good:app"], 1, r"wrokers.*workers", {"hybrid.toml": "wrokers = 2\n"}),
    "unknown option": Case(["--wrokers", "2", "good:app"], 2, r"--wrokers.*--workers"),
    "settings file that is missing": Case(["-c", "missing.py", "good:app"], 1, r"missing\.py"),
    "unwritable pidfile": Case(["--pid", "no/such/folder/h.pid", "good:app"], 1, r"no/such/folder"),
    "unwritable log": Case(["--error-logfile", "no/such/folder/h.log", "good:app"], 1, r"no/such/folder"),
    "unwritable access log": Case(["--access-logfile", "no/such/folder/a.log", "good:app"], 1, r"no/such/folder"),
    "address that is none": Case(["-b", "127.0.0.1:http", "good:app"], 1, r"127\.0\.0\.1:http"),
    "port out of range": Case(["-b", "127.0.0.1:99999", "good:app"], 1, r"99999"),
    "address of another machine": Case(["-b", "192.0.2.1:0", "good:app"], 1, r"192\.0\.2\.1"),
    "socket in a folder that is missing": Case(
        ["-b", "unix:no/such/folder/h.sock", "good:app"], 1, r"unix:no/such/folder/h\.sock: .*the folder must exist"
    ),
    "descriptor that is no socket": Case(["-b", "fd://0", "good:app"], 1, r"fd://0"),
    "folder that is missing": Case(["--chdir", "no/such/folder", "good:app"], 1, r"no/such/folder"),
    "unknown user": Case(["-u", "nobody-of-that-name", "good:app"], 1, r"nobody-of-that-name"),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_input_is_explained(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for file, text in {"good.py": GOOD, **case.files}.items():
        (tmp_path / file).write_text(text)
    bind = [] if "-b" in case.arguments else ["--bind", "127.0.0.1:0"]
    code, said = run_to_end([*bind, *case.arguments], tmp_path, case.environ)
    assert re.search(case.says, said), said
    assert code == case.code, said
    assert said.count("Traceback (most recent call last)") == (1 if case.has_traceback else 0), said
    assert not re.search(r'File ".*/(hybrid|hybrid_workers)/[^"]*", line', said), said


@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent", "asgi"])
def test_application_that_cannot_start_says_so_once_for_all_workers(worker_class: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('the application cannot start')\n")
    code, said = run_to_end(["--bind", "127.0.0.1:0", "-k", worker_class, "-w", "4", "broken:app"], tmp_path, {})
    assert code == 4
    assert len(re.findall("^RuntimeError: the application cannot start$", said, re.MULTILINE)) == 1, said
    assert "Reason: App failed to load." in said


def test_lifespan_that_fails_ends_the_server_with_3(tmp_path: Path) -> None:
    (tmp_path / "site_app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'the database is away'})\n"
    )
    code, said = run_to_end(["--bind", "127.0.0.1:0", "-k", "asgi", "-w", "2", "site_app:app"], tmp_path, {})
    assert code == 3, said
    assert "the database is away" in said
    assert "Reason: Worker failed to boot." in said


def test_taken_port_is_tried_five_times_and_named(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = run_to_end(["--bind", f"127.0.0.1:{port}", "good:app"], tmp_path, {})
    assert code == 1
    assert said.count("Connection in use:") == 4
    assert said.count("Retrying in 1 second.") == 4
    assert re.search(rf"127\.0\.0\.1:{port}.*tried 5 times", said.splitlines()[-1]), said
    assert "Traceback" not in said


def test_running_servers_pidfile_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "h.pid").write_text(f"{os.getpid()}\n")
    code, said = run_to_end(["--bind", "127.0.0.1:0", "--pid", "h.pid", "good:app"], tmp_path, {})
    assert code == 1
    assert f"Already running on PID {os.getpid()}" in said
    assert (tmp_path / "h.pid").read_text() == f"{os.getpid()}\n"


def run_to_end(arguments: list[str], folder: Path, environ: dict[str, str]) -> tuple[int, str]:
    """What a start that must fail ends with: exit code and everything it said."""
    process, log = launch(arguments, folder, environ)
    try:
        ended = log.wait_end(WAIT_S)
        text = log.text
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait(WAIT_S)
        assert ended, f"hybrid {' '.join(arguments)} did not end\n{text}"
        return code, text
    finally:
        log.close()
