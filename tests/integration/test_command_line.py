"""The command itself, as a process: exit codes, streams, and what it does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`python -m hybrid` in a folder, with a clean environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HYBRID_", "PORT", "WEB_"))}
    return subprocess.run(
        [sys.executable, "-m", "hybrid", *args],
        cwd=folder,
        env=clean | environ,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_version(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hybrid ")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--no-such-option", "x"], 2, "there is no option --no-such-option"),
        ([], 1, "no application"),
        (["-w", "none", "main"], 1, "setting workers (command line --workers): found 'none'"),
        (["-c", "broken.py", "main"], 1, "settings file broken.py:2: ZeroDivisionError"),
        (
            ["--error-logfile", "/no/such/folder/log", "main"],
            1,
            "setting errorlog: cannot write to /no/such/folder/log",
        ),
        (["--access-logfile", "/no/such/folder/log", "main"], 1, "setting accesslog: cannot write to"),
        (["--chdir", "nowhere", "main"], 1, "setting chdir: cannot change to"),
        (["check", "no_such_module_at_all"], 4, "there is no module 'no_such_module_at_all'"),
    ],
)
def test_mistake_is_one_line_on_stderr(tmp_path: Path, args: list[str], code: int, words: str) -> None:
    (tmp_path / "broken.py").write_text("x = 0\nworkers = 1 / x\n")
    done = run(tmp_path, *args)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("hybrid: error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_check_of_an_application_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("async def app(scope, receive, send): ...\n")
    (tmp_path / "hybrid.toml").write_text('app = "main"\n')
    done = run(tmp_path, "check", HYBRID_WORKERS="3")
    assert done.returncode == 0, done.stderr
    assert "interface:    asgi" in done.stdout
    assert "workers:      3" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--certfile", "/no/such.pem", "setting certfile: cannot read /no/such.pem"),
        ("--forwarded-allow-ips", "10.0.0.0/33", "--forwarded-allow-ips: '10.0.0.0/33' is not a peer"),
        ("--proxy-allow-from", "nobody", "--proxy-allow-from: 'nobody' is not a peer"),
        ("--forwarded-headers", "all", "--forwarded-headers: all is not known"),
    ],
)
def test_check_finds_what_would_stop_a_worker(tmp_path: Path, option: str, value: str, words: str) -> None:
    (tmp_path / "main.py").write_text("async def app(scope, receive, send): ...\n")
    done = run(tmp_path, "check", option, value, "main")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hybrid: error: {words}")
    assert done.stderr.count("\n") == 1


def test_a_link_to_the_current_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "release-1").mkdir()
    (tmp_path / "current").symlink_to("release-1")
    done = run(tmp_path / "current", "config", "--chdir", "app", PWD=str(tmp_path / "current"))
    assert f'"{tmp_path}/current/app"' in done.stdout


def test_output_into_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    script = f"{sys.executable} -m hybrid config | head -1"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""


def test_arbiter_side_stays_small() -> None:
    """What the arbiter's process imports is in memory for its whole life, and each worker begins with it."""
    script = (
        "import sys, hybrid.cli.run, hybrid.arbiter\n"
        "heavy = 'asyncio ssl http.client email importlib.metadata tomllib httptools h11 uvloop websockets'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("[]\n", "")
