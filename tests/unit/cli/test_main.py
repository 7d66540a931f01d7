"""The command line: what it accepts, what it prints, how it fails."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import hybrid
from hybrid.cli import main
from hybrid.cli.main import COMMANDS, cli
from hybrid.settings import TABLE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, an import path and an environment that a test may change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def failure(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    code = main(args)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hybrid: error: ")
    assert captured.err.count("\n") == 1, captured.err
    return code, captured.err.removeprefix("hybrid: error: ").rstrip("\n")


# -- help ------------------------------------------------------------------------------------------


def test_help_shows_the_common_options_by_subject() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    assert text.startswith("Usage: hybrid [OPTIONS] APP\n")
    for words in ("Listening:", "-b, --bind ADDRESS", "-w, --workers N|auto", "hybrid check", "--help-all"):
        assert words in text
    assert "--body-min-rate" not in text
    assert len(text.splitlines()) < 100


def test_help_all_shows_every_option() -> None:
    text = CliRunner().invoke(cli, ["--help-all"]).output
    for entry in TABLE:
        if entry.flags:
            assert entry.flag in text or entry.flag.replace("--", "--no-") in text, entry.name


def test_help_of_an_option_that_is_on_shows_how_to_switch_it_off() -> None:
    text = CliRunner().invoke(cli, ["--help-all"]).output
    assert "--no-sendfile" in text
    assert "--sendfile" not in text.replace("--no-sendfile", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: hybrid ")


def test_version() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"hybrid {hybrid.__version__}\n"


def test_help_and_version_are_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["--help"]) == 0
    assert capsys.readouterr().err == ""


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["app", "--wokers", "3"], 2, "there is no option --wokers; did you mean --workers?"),
        (["config", "--keepalive", "3"], 2, "there is no option --keepalive; did you mean --keep-alive?"),
        (["app", "--zzz"], 2, "there is no option --zzz; see hybrid --help-all"),
        (["check", "app", "--workers"], 2, "option '--workers' requires an argument"),
        (
            ["app", "other"],
            2,
            "got unexpected extra argument (other); a command comes before its options: hybrid check [OPTIONS] APP",
        ),
        (
            ["check", "-w", "lots", "app"],
            1,
            "setting workers (command line --workers): found 'lots', expected a whole number, 1 or more, or auto",
        ),
        (["check", "-c", "no.toml", "app"], 1, "settings file no.toml: there is no such file (looked in {cwd})"),
        (
            ["check"],
            1,
            "no application: name one, as in `hybrid package.module:app`, or as `app` in a settings file or HYBRID_APP",
        ),
        (
            ["check", "--chdir", "/no/such", "app"],
            1,
            "setting chdir: cannot change to /no/such: no such file or directory",
        ),
        (["check", "app.py"], 4, "application 'app.py' is a file name; name the module instead: app"),
    ],
)
def test_mistake_is_one_line_and_an_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: int, message: str
) -> None:
    assert failure(capsys, *args) == (code, message.replace("{cwd}", str(folder)))


def test_short_option_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code, message = failure(capsys, "-z", "app")
    assert code == 2
    assert message.startswith("there is no option -z")


# -- config ----------------------------------------------------------------------------------------


def test_config_shows_values_and_origins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "hybrid.toml").write_text('\nthreads = 4\napp = "site:app"\n')
    monkeypatch.setenv("HYBRID_TIMEOUT", "1m")
    assert main(["config", "-w", "3", "--no-sendfile", "-e", "A=1"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if "=" in line}
    assert rows["threads"].split() == ["threads", "=", "4", "#", "hybrid.toml:2"]
    assert rows["timeout"].split() == ["timeout", "=", "60", "#", "environment", "HYBRID_TIMEOUT"]
    assert rows["workers"].split() == ["workers", "=", "3", "#", "command", "line", "--workers"]
    assert rows["sendfile"].split() == ["sendfile", "=", "false", "#", "command", "line", "--sendfile"]
    assert rows["raw_env"].split()[:3] == ["raw_env", "=", '["A=1"]']
    assert rows["backlog"].split() == ["backlog", "=", "2048", "#", "default"]
    assert set(rows) == {entry.name for entry in TABLE}


def test_config_changed_shows_only_what_is_not_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--changed", "-w", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# Workers",
        "workers                  = 3                                # command line --workers",
    ]


def test_config_is_toml_that_gives_the_same_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def values(text: str) -> list[str]:
        rows = (line.rpartition(" # ")[0] for line in text.splitlines())
        return [" ".join(row.split()) for row in rows if row and not row.startswith("config ")]

    assert main(["config", "--changed", "-w", "3", "-b", "a:1", "-b", "b:2", "--access-logformat", '"%(r)s" \\x']) == 0
    first = capsys.readouterr().out
    (folder / "hybrid.toml").write_text(first)
    assert main(["config", "--changed"]) == 0
    assert values(capsys.readouterr().out) == values(first)
    assert len(values(first)) == 3


def test_config_hides_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--certfile", "c", "--keyfile-password", "hunter2"]) == 0
    assert "hunter2" not in capsys.readouterr().out


def test_config_prints_warnings_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--max-requests-jitter", "3"]) == 0
    assert "hybrid: warning: max_requests_jitter has no effect" in capsys.readouterr().err


def test_flag_may_be_given_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--changed", "--proxy-protocol"]) == 0
    assert 'proxy_protocol           = "auto"' in capsys.readouterr().out
    assert main(["config", "--changed", "--proxy-protocol", "v2"]) == 0
    assert 'proxy_protocol           = "v2"' in capsys.readouterr().out


# -- check -----------------------------------------------------------------------------------------

Forget = Callable[[str], None]


@pytest.fixture
def module(folder: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        (folder / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()

    return write


def test_check_says_what_was_found(module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]) -> None:
    module("checked_asgi", "async def app(scope, receive, send): ...\n")
    assert main(["check", "checked_asgi", "-w", "2"]) == 0
    rows = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["interface"].strip() == "asgi: coroutine function"
    assert rows["worker class"].strip() == "asgi: the application is ASGI"
    assert rows["workers"].strip() == "2"
    assert rows["python"].strip().startswith("CPython 3.")
    assert rows["loop"].split()[0] in ("uvloop", "asyncio")
    assert rows["parser"].split()[0] in ("httptools", "h11")


def test_check_of_wsgi_has_no_loop(module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]) -> None:
    module("checked_wsgi", "def app(environ, start_response): ...\n")
    assert main(["check", "checked_wsgi", "--threads", "4"]) == 0
    out = capsys.readouterr().out
    assert "worker class: gthread: the application is WSGI and threads is 4" in out
    assert "4 threads each" in out
    assert "loop" not in out


def test_check_gives_the_application_its_environment(
    module: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKED_MODE", "")
    module(
        "checked_env", "import os\nassert os.environ['CHECKED_MODE'] == 'a=b'\ndef app(environ, start_response): ...\n"
    )
    assert main(["check", "checked_env", "-e", "CHECKED_MODE=a=b"]) == 0
    assert "wsgi" in capsys.readouterr().out


def test_check_of_a_broken_application_shows_its_traceback_and_the_reason(
    module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    module("checked_broken", "def f():\n    raise RuntimeError('no database')\nf()\n")
    assert main(["check", "checked_broken:app"]) == 4
    error = capsys.readouterr().err
    assert error.startswith("Traceback (most recent call last):\n")
    assert error.splitlines()[-1] == (
        "hybrid: error: application 'checked_broken:app': importing checked_broken failed: RuntimeError: no database"
    )
    assert "hybrid/" not in error


def test_check_refuses_an_interface_that_the_worker_cannot_serve(
    module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    module("checked_refused", "async def app(scope, receive, send): ...\n")
    code, message = failure(capsys, "check", "-k", "sync", "checked_refused:app")
    assert code == 4
    assert message.endswith("run: hybrid -k asgi checked_refused:app")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gtread", "worker class 'gtread' is not known; choose one of auto, sync, gthread, gevent, asgi"),
        ("no_such_package_at_all.Worker", "worker class 'no_such_package_at_all.Worker' cannot be imported"),
    ],
)
def test_check_refuses_a_worker_class_that_cannot_be_imported(
    module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    module("checked_class", "def app(environ, start_response): ...\n")
    code, error = failure(capsys, "check", "-k", name, "checked_class")
    assert code == 1
    assert error.startswith(message)


def test_check_config_is_silent_success(module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]) -> None:
    module("checked_quietly", "def app(environ, start_response): ...\n")
    assert main(["--check-config", "checked_quietly"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_config_of_a_broken_application_is_1(
    module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    module("checked_missing", "")
    assert failure(capsys, "--check-config", "checked_missing")[0] == 1


def test_print_config_prints_sorted_settings(
    module: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    module("checked_printed", "def app(environ, start_response): ...\n")
    assert main(["--print-config", "checked_printed"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(entry.name for entry in TABLE)
