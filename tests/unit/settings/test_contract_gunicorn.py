"""The whole list of gunicorn's settings: each is accepted wherever gunicorn accepts it, and proved or explained."""

from __future__ import annotations

import ast
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from hybrid.cli.daemon import leave_terminal
from hybrid.cli.options import parse_command_line
from hybrid.contract import title
from hybrid.contract.title import set_title
from hybrid.hooks import Cfg
from hybrid.http.limits import Limits
from hybrid.settings import Settings, resolve
from hybrid.settings.foreign import IN_FILES
from hybrid.settings.hooks import ARGUMENTS
from hybrid.settings.names import BY_NAME, BY_OTHER_NAME

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Row:
    name: str
    flags: tuple[str, ...]
    form: str
    default: str
    value: str
    proof: str


def rows() -> list[Row]:
    found = []
    for line in (Path(__file__).parent / "gunicorn_27.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, flags, form, default, value, proof = (part.strip() for part in line.split(" | "))
            found.append(Row(name, () if flags == "-" else tuple(flags.split()), form, default, value, proof))
    return found


OF_THE_PROCESS = "(of the process)"
"""The default of what gunicorn takes from its surroundings: the folder, the user."""

ROWS = rows()
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_the_list_is_complete() -> None:
    assert len({row.name for row in ROWS}) == 120


@each
def test_it_is_one_of_ours_or_explained(row: Row) -> None:
    kinds = [
        row.name in BY_NAME or row.name in BY_OTHER_NAME,
        row.name in IN_FILES,
        row.name in ARGUMENTS,
    ]
    assert sum(kinds) == 1, kinds
    if row.proof == "-":
        assert IN_FILES[row.name].reason, "neither a test nor a reason"


@each
def test_a_settings_file_may_have_it(row: Row, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("")
    value = row.value
    if row.form == "hook":
        count = len(ARGUMENTS.get(row.name, ("one",)))
        value = f"lambda {', '.join('abcd'[:count])}: None"
    needs = {"keyfile": "certfile = 'x'", "ca_certs": "certfile = 'x'"}.get(row.name, "")
    (tmp_path / "gunicorn.conf.py").write_text(f"{needs}\n{row.name} = {value}\n")
    resolved = resolve({}, {}, str(tmp_path), parse=parse_command_line)
    entry = BY_NAME.get(row.name) or BY_OTHER_NAME.get(row.name)
    if row.name in ARGUMENTS:
        assert getattr(resolved.settings.hooks, row.name) is not None
    elif entry is None:
        said = [warning for warning in resolved.warnings if warning.startswith(f"{row.name} (gunicorn.conf.py:2)")]
        changes_nothing = row.value.strip("'").lower() in IN_FILES[row.name].quiet
        assert len(said) == (not changes_nothing and bool(IN_FILES[row.name].reason)), resolved.warnings
    elif entry.name != "config":
        expected = entry.kind.parse(ast.literal_eval(value))
        assert getattr(resolved.settings, entry.name) in (expected, str(tmp_path / str(expected)))
        assert str(resolved.origins[entry.name]) == "gunicorn.conf.py:2"


@each
def test_every_flag_of_it_is_accepted(row: Row) -> None:
    value = row.value.strip("'[]{}").replace("'", "") if row.form != "hook" else ""
    for flag in row.flags:
        words = [flag] if row.form == "flag" else [flag, value]
        if row.name == "cert_reqs":
            words = [flag, "0"]
        given = parse_command_line(words)
        assert [name for name, got in given.items() if got not in (None, ())] or row.name in (
            "check_config",
            "print_config",
        )
        if row.form == "optional":
            assert parse_command_line([flag, "--reload"])["proxy_protocol"] == "auto"


@each
def test_its_meaning_is_proved_by_a_test_that_exists(row: Row) -> None:
    if row.proof == "-":
        return
    path, _, name = row.proof.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(), row.proof


@each
def test_its_default_is_gunicorns_or_the_difference_is_explained(row: Row) -> None:
    if row.default in ("hook", OF_THE_PROCESS):
        return
    default = ast.literal_eval(row.default)
    entry = BY_NAME.get(row.name) or BY_OTHER_NAME.get(row.name)
    if entry is not None:
        value = getattr(Cfg(resolve({}, {}, "/nonexistent").settings), entry.name)
        is_same = value == default or (default is None and value == "")
    else:
        is_same = default is None or str(default).lower() in (*IN_FILES[row.name].quiet, "false", "gunicorn")
    page = (ROOT / "docs" / "gunicorn.md").read_text()
    table = page.partition("## Defaults that differ")[2].partition("\n## ")[0]
    explained = [line for line in table.splitlines() if line.startswith(f"| `{row.name}` |")]
    assert len(explained) == (not is_same), (default, explained)


# -- small proofs that no other test is about ------------------------------------------------------


def test_a_settings_file_may_name_the_application(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("wsgi_app = 'shop.wsgi'\n")
    assert resolve({}, {}, str(tmp_path)).settings.app == "shop.wsgi"


def test_limits_of_a_head_are_those_of_the_settings() -> None:
    values = {"limit_request_line": 10, "limit_request_fields": 3, "limit_request_field_size": 20}
    limits = Limits.from_settings(resolve(values, {}, "/nonexistent").settings)
    assert (limits.request_line, limits.fields, limits.field_size) == (10, 3, 20)


def test_jitter_without_max_requests_is_said_to_have_no_effect() -> None:
    assert resolve({"max_requests_jitter": 3}, {}, "/nonexistent").warnings


def test_preload_is_said_to_have_no_effect_where_it_has_none() -> None:
    warnings = resolve({"preload_app": True, "reuse_port": True}, {}, "/nonexistent").warnings
    assert [text for text in warnings if text.startswith("preload_app has no effect with")], warnings
    assert not resolve({"preload_app": True}, {}, "/nonexistent").warnings


def test_preload_request_without_preload_is_said_to_have_no_effect() -> None:
    assert resolve({"preload_request": "/"}, {}, "/nonexistent").warnings
    assert not resolve({"preload_request": "/", "preload_app": True}, {}, "/nonexistent").warnings


def test_the_control_socket_can_be_switched_off() -> None:
    assert resolve({"control_socket_disable": True}, {}, "/nonexistent").settings.control_socket == "off"


def test_sendfile_can_be_switched_off() -> None:
    assert parse_command_line(["--no-sendfile"])["sendfile"] is False
    assert resolve({}, {"SENDFILE": "n"}, "/nonexistent").settings.sendfile is False
    assert resolve({}, {"SENDFILE": "y"}, "/nonexistent").settings.sendfile is True


@pytest.mark.parametrize(
    ("words", "environ", "root_path"),
    [
        ([], {"SCRIPT_NAME": "/shop"}, "/shop"),
        (["-e", "SCRIPT_NAME=/shop"], {}, "/shop"),
        (["-e", "SCRIPT_NAME=/shop"], {"SCRIPT_NAME": "/x"}, "/shop"),
        (["-e", "SCRIPT_NAME=/shop", "--root-path", "/api"], {}, "/api"),
        (["-e", "SCRIPT_NAME=/shop"], {"HYBRID_ROOT_PATH": "/api"}, "/api"),
        (["-e", "SCRIPT_NAME="], {}, ""),
    ],
)
def test_script_name_of_the_environment_is_the_root_path(
    words: list[str], environ: dict[str, str], root_path: str
) -> None:
    assert resolve(parse_command_line(words), environ, "/nonexistent").settings.root_path == root_path


def test_the_process_title_begins_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    module = ModuleType("setproctitle")
    vars(module)["setproctitle"] = titles.append
    monkeypatch.setitem(sys.modules, "setproctitle", module)
    monkeypatch.setattr(title, "_find", title._find.__wrapped__)  # without what it remembers
    set_title("worker", Settings(proc_name="shop", app="a:b"))
    assert titles == ["hybrid: worker [shop]"]


def test_backlog_is_what_listen_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    from hybrid.arbiter.listeners import Listeners

    asked: list[int] = []

    class Socket(socket.socket):
        def listen(self, backlog: int = 0) -> None:
            asked.append(backlog)

    monkeypatch.setattr("socket.socket", Socket)
    listeners = Listeners(logging.getLogger("x"), lambda _: False)
    listeners.open(resolve({"bind": "unix:@hybrid-backlog-test", "backlog": 77}, {}, "/nonexistent").settings)
    listeners.close_all_but(())
    assert asked[-1] == 77


def test_a_daemon_may_keep_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []
    monkeypatch.setattr("hybrid.cli.daemon.fork", lambda: 0)
    monkeypatch.setattr("os.setsid", lambda: None)
    monkeypatch.setattr("os.umask", lambda mask: mask)
    monkeypatch.setattr("os.dup2", lambda source, target: copied.append(target))
    leave_terminal(keeps_output=True)
    leave_terminal(keeps_output=False)
    assert copied == [0, 0, 1, 2]
