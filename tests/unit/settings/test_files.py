"""Settings files: which is read, what they give, how their mistakes are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hybrid.errors import SettingsError
from hybrid.settings import resolve
from hybrid.settings.files import key_lines, read_file


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


# -- which -----------------------------------------------------------------------------------------


def test_hybrid_toml_comes_first_and_the_other_is_named(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "workers = 2\n")
    put(tmp_path, "gunicorn.conf.py", "workers = 3\nthreads = 3\n")
    resolved = resolve({}, {}, str(tmp_path))
    assert (resolved.settings.workers, resolved.settings.threads) == (2, 1)
    assert "gunicorn.conf.py is not read" in resolved.warnings[0]


def test_gunicorn_conf_py_is_found(tmp_path: Path) -> None:
    put(tmp_path, "gunicorn.conf.py", "workers = 3\n")
    put(tmp_path, "pyproject.toml", "[tool.hybrid]\nworkers = 4\n")
    resolved = resolve({}, {}, str(tmp_path))
    assert resolved.settings.workers == 3
    assert resolved.settings.config == "gunicorn.conf.py"


def test_table_in_pyproject_is_found(tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", '[project]\nname = "x"\n\n[tool.hybrid]\nworkers = 4\n')
    resolved = resolve({}, {}, str(tmp_path))
    assert resolved.settings.workers == 4
    assert str(resolved.origins["workers"]) == "pyproject.toml:5"


def test_pyproject_without_the_table_does_not_count(tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", '[project]\ndependencies = ["hybrid-arbiter"]\n')
    assert resolve({}, {}, str(tmp_path)).settings.config == ""


def test_named_file_is_the_only_one_that_is_read(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "workers = 2\nthreads = 2\n")
    put(tmp_path, "other.toml", "workers = 5\n")
    for values, environ in (({"config": "other.toml"}, {}), ({}, {"HYBRID_CONFIG": "other.toml"})):
        settings = resolve(values, environ, str(tmp_path)).settings
        assert (settings.workers, settings.threads, settings.config) == (5, 1, "other.toml")


def test_empty_name_means_no_file(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "workers = 2\n")
    assert resolve({"config": ""}, {}, str(tmp_path)).settings.workers == 1


def test_missing_file_is_named_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"settings file no.toml: there is no such file \\(looked in {tmp_path}\\)"):
        resolve({"config": "no.toml"}, {}, str(tmp_path))


def test_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(SettingsError, match="settings file d: cannot read it: is a directory"):
        resolve({"config": "d"}, {}, str(tmp_path))


def test_named_pyproject_without_the_table_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", "[tool]\n")
    with pytest.raises(SettingsError, match=r"there is no \[tool.hybrid\] table"):
        resolve({"config": "pyproject.toml"}, {}, str(tmp_path))


# -- TOML ------------------------------------------------------------------------------------------


def test_toml_takes_names_and_option_spellings(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", 'keep-alive = 7\naccess-logfile = "-"\nmax_requests = 9\nname = "web"\n')
    settings = resolve({}, {}, str(tmp_path)).settings
    assert (settings.keepalive, settings.accesslog, settings.max_requests, settings.proc_name) == (7.0, "-", 9, "web")


def test_toml_environment_may_be_a_table(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", '[env]\nDEBUG = 1\nNAME = "x=y"\n')
    resolved = resolve({}, {}, str(tmp_path))
    assert resolved.settings.raw_env == ("DEBUG=1", "NAME=x=y")
    assert str(resolved.origins["raw_env"]) == "hybrid.toml:1"


def test_unknown_key_is_refused_with_line_and_nearest_name(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "# comment\nwokers = 2\n")
    with pytest.raises(SettingsError, match=r"hybrid.toml:2: there is no setting 'wokers'; did you mean 'workers'\?"):
        resolve({}, {}, str(tmp_path))


def test_key_unlike_any_other_is_refused_without_a_guess(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "zzzz = 2\n")
    with pytest.raises(SettingsError, match=r"hybrid.toml:1: there is no setting 'zzzz'$"):
        resolve({}, {}, str(tmp_path))


def test_one_setting_under_two_spellings_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "keepalive = 1\nkeep-alive = 2\n")
    with pytest.raises(
        SettingsError, match=r"hybrid.toml:2: 'keep-alive' is keepalive again, which hybrid.toml:1 has set"
    ):
        resolve({}, {}, str(tmp_path))


def test_broken_toml_says_where(tmp_path: Path) -> None:
    put(tmp_path, "hybrid.toml", "workers = \n")
    with pytest.raises(SettingsError, match=r"settings file hybrid.toml: .*line 1"):
        resolve({}, {}, str(tmp_path))


def test_lines_are_those_of_the_wanted_table() -> None:
    text = (
        "workers = 1\n\n[tool.other]\nworkers = 2\n[tool.hybrid]\n'workers' = 3\nkeep-alive=4\n[tool.hybrid.env]\nA=1\n"
    )
    assert key_lines(text, "tool.hybrid") == {"workers": 6, "keep-alive": 7, "env": 8}
    assert key_lines(text)["workers"] == 1


# -- Python ----------------------------------------------------------------------------------------


def test_python_file_is_executed(tmp_path: Path) -> None:
    put(
        tmp_path,
        "gunicorn.conf.py",
        "import multiprocessing\n\nworkers = 1 + 2\n"
        "bind = ['127.0.0.1:1', 'unix:/x']\naccesslog = '-'\npidfile = None\nwsgi_app = 'm:a'\n",
    )
    resolved = resolve({}, {}, str(tmp_path))
    assert resolved.settings.workers == 3
    assert resolved.settings.bind == ("127.0.0.1:1", "unix:/x")
    assert resolved.settings.pidfile == ""
    assert resolved.settings.app == "m:a"
    assert str(resolved.origins["workers"]) == "gunicorn.conf.py:3"


def test_python_file_may_define_anything_else(tmp_path: Path) -> None:
    put(
        tmp_path,
        "gunicorn.conf.py",
        "import http\nenv = 'production'\nlog_level = 'x'\nname = object()\nwokers = 3\nkeep_alive = 'x'\n"
        "def post_fork(server, worker): pass\n",
    )
    resolved = resolve({}, {}, str(tmp_path))
    assert resolved.warnings == ()
    assert resolved.settings.raw_env == ()
    assert callable(resolved.namespace["post_fork"])


def test_names_that_only_we_know_count_when_their_value_fits(tmp_path: Path) -> None:
    put(tmp_path, "gunicorn.conf.py", "app = object()\nloop = 'asyncio'\nboot_timeout = 'soon'\n")
    resolved = resolve({}, {}, str(tmp_path))
    assert (resolved.settings.app, resolved.settings.loop, resolved.settings.boot_timeout) == ("", "asyncio", 120.0)
    assert len(resolved.warnings) == 2
    assert resolved.warnings[0].startswith("gunicorn.conf.py:1: app is not taken for the setting")


def test_bad_value_of_a_gunicorn_name_is_refused_with_its_line(tmp_path: Path) -> None:
    put(tmp_path, "gunicorn.conf.py", "\n\nworkers = 'many'\n")
    with pytest.raises(SettingsError, match=r"setting workers \(gunicorn.conf.py:3\): found 'many'"):
        resolve({}, {}, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nworkers = (\n", r"settings file gunicorn.conf.py:2: SyntaxError: "),
        ("def f():\n    return {}['key']\n\nf()\n", r"settings file gunicorn.conf.py:2: KeyError: 'key'"),
        ("import no_such_module_at_all\n", r"settings file gunicorn.conf.py:1: ModuleNotFoundError: No module named"),
    ],
)
def test_python_file_that_fails_says_file_line_and_reason(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, "gunicorn.conf.py", text)
    with pytest.raises(SettingsError, match=message):
        resolve({}, {}, str(tmp_path))


def test_python_file_imports_from_its_folder_and_leaves_the_path_alone(tmp_path: Path) -> None:
    put(tmp_path, "helper_of_this_config.py", "COUNT = 6\n")
    put(tmp_path, "conf.py", "from helper_of_this_config import COUNT as workers\n")
    before = list(sys.path)
    try:
        assert resolve({"config": "conf.py"}, {}, str(tmp_path)).settings.workers == 6
    finally:
        sys.modules.pop("helper_of_this_config", None)
    assert sys.path == before


def test_module_can_be_a_settings_file(tmp_path: Path) -> None:
    (tmp_path / "config_package").mkdir()
    put(tmp_path, "config_package/__init__.py", "")
    put(tmp_path, "config_package/web.py", "workers = 8\n")
    try:
        resolved = resolve({"config": "python:config_package.web"}, {}, str(tmp_path))
    finally:
        sys.modules.pop("config_package", None)
    assert resolved.settings.workers == 8
    assert str(resolved.origins["workers"]) == "python:config_package.web:1"


def test_missing_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="settings python:no_such_module_at_all: there is no such module"):
        resolve({"config": "python:no_such_module_at_all"}, {}, str(tmp_path))


def test_file_prefix_is_accepted(tmp_path: Path) -> None:
    put(tmp_path, "conf.py", "workers = 2\n")
    assert read_file("file:conf.py", str(tmp_path)).values["workers"].value == 2
