"""Layers over each other: who wins, where a value came from, what a mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid.errors import SettingsError
from hybrid.settings import Settings, resolve
from hybrid.settings.layer import Given, Layer, Origin
from hybrid.settings.resolve import combine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def test_without_anything_every_value_is_the_default(folder: Path) -> None:
    resolved = resolve({}, {}, str(folder))
    assert resolved.settings == Settings(bind=("127.0.0.1:8000",))
    assert {origin.kind for origin in resolved.origins.values()} == {"default"}
    assert resolved.warnings == ()


def test_each_layer_wins_over_the_one_below(folder: Path) -> None:
    put(folder, "hybrid.toml", "workers = 2\nthreads = 2\nbacklog = 2\n")
    environ = {"HYBRID_THREADS": "3", "HYBRID_BACKLOG": "3"}
    resolved = resolve({"backlog": "4"}, environ, str(folder))
    assert (resolved.settings.workers, resolved.settings.threads, resolved.settings.backlog) == (2, 3, 4)
    assert str(resolved.origins["workers"]) == "hybrid.toml:1"
    assert str(resolved.origins["threads"]) == "environment HYBRID_THREADS"
    assert str(resolved.origins["backlog"]) == "command line --backlog"
    assert str(resolved.origins["timeout"]) == "default"


def test_a_list_is_replaced_not_extended(folder: Path) -> None:
    put(folder, "hybrid.toml", 'bind = ["a:1", "b:2"]\n')
    assert resolve({"bind": ("c:3",)}, {}, str(folder)).settings.bind == ("c:3",)


def test_options_that_were_not_given_do_not_count(folder: Path) -> None:
    put(folder, "hybrid.toml", 'bind = "a:1"\nreload = true\n')
    settings = resolve({"bind": (), "reload": None, "app": None}, {}, str(folder)).settings
    assert settings.bind == ("a:1",)
    assert settings.reload is True


# -- environment -----------------------------------------------------------------------------------


def test_platform_variables_count(folder: Path) -> None:
    environ = {"PORT": "5000", "WEB_CONCURRENCY": "7", "FORWARDED_ALLOW_IPS": "*"}
    resolved = resolve({}, environ, str(folder))
    assert resolved.settings.bind == ("0.0.0.0:5000",)
    assert resolved.settings.workers == 7
    assert resolved.settings.forwarded_allow_ips == "*"
    assert str(resolved.origins["bind"]) == "environment PORT"


def test_platform_variables_win_over_a_toml_file(folder: Path) -> None:
    put(folder, "hybrid.toml", "workers = 2\n")
    assert resolve({}, {"WEB_CONCURRENCY": "7"}, str(folder)).settings.workers == 7


def test_our_own_variable_wins_over_that_of_the_platform(folder: Path) -> None:
    environ = {"WEB_CONCURRENCY": "7", "HYBRID_WORKERS": "3", "PORT": "1", "HYBRID_BIND": "a:1,unix:/x"}
    settings = resolve({}, environ, str(folder)).settings
    assert settings.workers == 3
    assert settings.bind == ("a:1", "unix:/x")


def test_python_file_wins_over_the_platform_and_loses_to_our_variables(folder: Path) -> None:
    put(folder, "gunicorn.conf.py", "workers = 2\nthreads = 2\n")
    settings = resolve({}, {"WEB_CONCURRENCY": "7", "HYBRID_THREADS": "5"}, str(folder)).settings
    assert settings.workers == 2
    assert settings.threads == 5


def test_empty_variables_count_as_not_set(folder: Path) -> None:
    environ = {"WEB_CONCURRENCY": "", "PORT": " ", "HYBRID_TIMEOUT": ""}
    assert resolve({}, environ, str(folder)).settings == Settings(bind=("127.0.0.1:8000",))


def test_variables_may_be_spelled_like_the_option(folder: Path) -> None:
    assert resolve({}, {"HYBRID_KEEP_ALIVE": "9"}, str(folder)).settings.keepalive == 9


def test_misspelled_variable_is_refused_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"HYBRID_WROKERS: there is no setting 'wrokers'; did you mean HYBRID_WORKERS\?"
    ):
        resolve({}, {"HYBRID_WROKERS": "2"}, str(folder))


def test_foreign_variable_only_warns(folder: Path) -> None:
    assert resolve({}, {"HYBRID_ZZZ": "2"}, str(folder)).warnings == (
        "environment variable HYBRID_ZZZ is ignored: there is no setting 'zzz'",
    )


def test_variables_that_an_orchestrator_makes_for_a_service_called_hybrid_are_silent(folder: Path) -> None:
    environ = {
        "HYBRID_SERVICE_HOST": "10.0.0.1",
        "HYBRID_SERVICE_PORT": "80",
        "HYBRID_PORT": "tcp://10.0.0.1:80",
        "HYBRID_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert resolve({}, environ, str(folder)).warnings == ()


# -- values ----------------------------------------------------------------------------------------


def test_bad_value_names_setting_origin_finding_and_what_is_allowed(folder: Path) -> None:
    put(folder, "hybrid.toml", "\nworkers = 'lots'\n")
    with pytest.raises(SettingsError) as caught:
        resolve({}, {}, str(folder))
    assert str(caught.value) == (
        "setting workers (hybrid.toml:2): found 'lots', expected a whole number, 1 or more, or auto"
    )


def test_long_bad_value_is_cut(folder: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({"timeout": "x" * 5000}, {}, str(folder))
    assert len(str(caught.value)) < 250


def test_auto_workers_are_counted_when_resolving(folder: Path) -> None:
    resolved = resolve({"workers": "auto"}, {}, str(folder), cpus=lambda: 6)
    assert resolved.settings.workers == 6
    assert str(resolved.origins["workers"]) == "command line --workers (auto)"


def test_chdir_becomes_absolute(folder: Path) -> None:
    assert resolve({"chdir": "sub/../other"}, {}, str(folder)).settings.chdir == str(folder / "other")
    assert resolve({}, {}, str(folder)).settings.chdir == ""


def test_resolving_again_sees_what_has_changed(folder: Path) -> None:
    put(folder, "hybrid.toml", "workers = 2\n")
    assert resolve({}, {}, str(folder)).settings.workers == 2
    put(folder, "hybrid.toml", "workers = 3\n")
    assert resolve({}, {}, str(folder)).settings.workers == 3


def test_combining_needs_no_file_and_no_environment() -> None:
    low = Layer({"workers": Given(2, Origin("file", "a:1"))}, warnings=("first",))
    high = Layer({"workers": Given("5", Origin("environment", "X"))}, warnings=("second",))
    resolved = combine([low, high], "/")
    assert resolved.settings.workers == 5
    assert resolved.warnings == ("first", "second")


# -- between settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keyfile": "k"}, "setting keyfile .*: a key without a certificate; give --certfile too"),
        ({"certfile": "c", "cert_reqs": "2"}, "setting cert_reqs .* without --ca-certs"),
        ({"ca_certs": "c"}, "setting ca_certs .* needs --certfile"),
        ({"accesslog": "-", "access_log_format": "%(h"}, "setting access_log_format .*: '%\\(h' at character 1"),
    ],
)
def test_combinations_that_cannot_work_are_refused(folder: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        resolve(values, {}, str(folder))


def test_useless_combinations_warn(folder: Path) -> None:
    values = {"max_requests_jitter": "5", "accesslog": "-", "access_log_format": "%(z)s"}
    assert resolve(values, {}, str(folder)).warnings == (
        "max_requests_jitter has no effect without max_requests",
        "access_log_format: there is no atom %(z)s; it prints -",
    )
