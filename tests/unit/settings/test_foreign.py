"""Options of other servers: translated into ours, or explained; never silently different."""

from __future__ import annotations

import pytest

from hybrid.errors import SettingsError
from hybrid.settings import resolve
from hybrid.settings.foreign import FOREIGN
from hybrid.settings.given import Given, Origin
from hybrid.settings.layer import command_line, from_python, from_toml, uvicorn_environment
from hybrid.settings.names import BY_NAME, find

CWD = "/nonexistent"


def given(**values: object) -> dict[str, object]:
    return {name: item.value for name, item in command_line(values).values.items()}


@pytest.mark.parametrize(
    ("values", "bind"),
    [
        ({"host": "0.0.0.0"}, "0.0.0.0:8000"),
        ({"port": "80"}, "127.0.0.1:80"),
        ({"host": "::", "port": "80"}, "[::]:80"),
        ({"uds": "/run/a.sock"}, "unix:/run/a.sock"),
        ({"fd": "3", "uds": "/run/a.sock", "port": "1"}, "fd://3"),
    ],
)
def test_uvicorn_address_becomes_one_bind(values: dict[str, object], bind: str) -> None:
    assert given(**values) == {"bind": bind}


def test_bind_wins_over_host_and_port() -> None:
    assert given(host="0.0.0.0", bind=("unix:/a",)) == {"bind": ("unix:/a",)}


@pytest.mark.parametrize(("value", "accesslog"), [(True, "-"), (False, "")])
def test_access_log_switch_is_the_access_log_on_stdout_or_none(value: bool, accesslog: str) -> None:
    assert given(access_log=value) == {"accesslog": accesslog}


def test_an_option_without_effect_says_why_once() -> None:
    layer = command_line({"worker_tmp_dir": "/dev/shm"})
    assert not layer.values
    (warning,) = layer.warnings
    assert warning.startswith("--worker-tmp-dir has no effect: proofs of life are in shared memory")


def test_a_value_that_changes_nothing_is_not_mentioned() -> None:
    assert not command_line({"http_protocols": "h1", "ws": "auto", "http2_cleartext": "off"}).warnings


def test_uvicorn_variables_are_options() -> None:
    layer = uvicorn_environment(
        {"UVICORN_PORT": "1", "UVICORN_TIMEOUT_KEEP_ALIVE": "7", "UVICORN_LIMIT_MAX_REQUESTS": "9"}
    )
    assert {name: item.value for name, item in layer.values.items()} == {
        "bind": "127.0.0.1:1",
        "keepalive": "7",
        "max_requests": "9",
    }


def test_names_of_uvicorn_options_are_any_variables_in_a_python_file() -> None:
    values, warnings = from_python([(name, "x", Origin("file", "f.py:1")) for name in ("host", "port", "ws", "fd")])
    assert not values
    assert not warnings


def test_python_file_warns_of_a_gunicorn_setting_without_effect() -> None:
    values, warnings = from_python([("worker_tmp_dir", "/dev/shm", Origin("file", "gunicorn.conf.py:3"))])
    assert not values
    assert warnings[0].startswith("worker_tmp_dir (gunicorn.conf.py:3) has no effect")


def test_toml_file_refuses_it_with_the_reason() -> None:
    with pytest.raises(SettingsError, match="no setting here: proofs of life"):
        from_toml([("worker-tmp-dir", "/dev/shm", Origin("file", "hybrid.toml:1"))])


def test_no_foreign_name_is_also_a_setting() -> None:
    assert not [foreign.name for foreign in FOREIGN if foreign.name in BY_NAME]
    assert not [flag for foreign in FOREIGN for flag in foreign.flags if find(flag.lstrip("-").split("/")[0])]


@pytest.mark.parametrize(
    ("name", "ours", "http"),
    [
        ("uvicorn.workers.UvicornWorker", "asgi", "auto"),
        ("uvicorn_worker.UvicornWorker", "asgi", "auto"),
        ("uvicorn.workers.UvicornH11Worker", "asgi", "h11"),
        ("gunicorn.workers.gthread.ThreadWorker", "gthread", "auto"),
        ("gunicorn.workers.ggevent:GeventWorker", "gevent", "auto"),
        ("gevent_pywsgi", "gevent", "auto"),
        ("egg:gunicorn#sync", "sync", "auto"),
    ],
)
def test_other_servers_worker_classes_are_ours_with_a_note(name: str, ours: str, http: str) -> None:
    resolved = resolve({"worker_class": name}, {}, CWD)
    assert (resolved.settings.worker_class, resolved.settings.http) == (ours, http)
    assert len(resolved.notes) == 1
    assert f"-k {ours}" in resolved.notes[0]


def test_eventlet_is_refused_with_what_to_use() -> None:
    with pytest.raises(SettingsError, match="use -k gevent"):
        resolve({"worker_class": "eventlet"}, {}, CWD)


def test_given_is_kept_apart_by_origin() -> None:
    layer = command_line({"workers": "3"}, "environment", "GUNICORN_CMD_ARGS")
    assert layer.values["workers"] == Given("3", Origin("environment", "GUNICORN_CMD_ARGS"))
