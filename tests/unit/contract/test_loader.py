"""From the text of APP to the object, and what each mistake is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hybrid.contract.loader import AppSpec, app_traceback, load_app, parse_spec, prepare_import_path
from hybrid.errors import AppLoadError
from hybrid.settings import Settings

Put = Callable[[str, str], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Write a module into a folder that can be imported from; all are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(app: str, *, factory: bool = False) -> object:
    return load_app(Settings(app=app, factory=factory))


# -- the text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "spec"),
    [
        ("main", AppSpec("main")),
        ("main:", AppSpec("main")),
        ("pkg.mod:app", AppSpec("pkg.mod", "app")),
        (" pkg.mod:app.wsgi ", AppSpec("pkg.mod", "app.wsgi")),
        ("m:create()", AppSpec("m", "create", True)),
        ("m:create('x', 1, debug=True)", AppSpec("m", "create", True, ("x", 1), {"debug": True})),
        ("m:make.app({'a': [1]})", AppSpec("m", "make.app", True, ({"a": [1]},))),
    ],
)
def test_spec(app: str, spec: AppSpec) -> None:
    assert parse_spec(app) == spec


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (":app", "no module in front of the colon"),
        ("main.py", "is a file name; name the module instead: main$"),
        ("./src/main.py:app", "is a file name; name the module instead: src.main:app$"),
        ("src/main:app", "name the module instead: src.main:app$"),
        ("my-site.wsgi", "'my-site.wsgi' is not a module name"),
        ("a..b:app", "'a..b' is not a module name"),
        ("m:1 +", "'1 \\+' is neither a name nor a call"),
        ("m:create(x)", "must be literals"),
        ("m:create(**{})", "\\*\\* is not possible"),
        ("m:apps[0]", "expected module:name"),
        ("m:create()()", "expected module:name"),
    ],
)
def test_spec_that_cannot_be_meant(app: str, message: str) -> None:
    with pytest.raises(AppLoadError, match=message):
        parse_spec(app)


# -- finding ---------------------------------------------------------------------------------------


def test_application_comes_before_app(put: Put) -> None:
    put("both_apps.py", "def application(): 'first'\ndef app(): 'second'\n")
    put("only_app.py", "def app(): 'second'\n")
    assert load("both_apps").__doc__ == "first"
    assert load("only_app").__doc__ == "second"


def test_attribute_of_an_attribute(put: Put) -> None:
    put("nested_app.py", "class site:\n    wsgi = staticmethod(lambda environ, start_response: [])\n")
    assert callable(load("nested_app:site.wsgi"))


def test_submodule_of_a_package(put: Put) -> None:
    put("a_project/__init__.py", "")
    put("a_project/wsgi.py", "def application(environ, start_response): 'x'\n")
    assert load("a_project.wsgi").__doc__ == "x"


@pytest.mark.parametrize(
    ("source", "app", "message"),
    [
        ("", "{m}", "module {m} has neither 'application' nor 'app'$"),
        ("def create_app(): ...", "{m}", "is create_app a factory\\? then: {m}:create_app --factory"),
        ("def appl(a, b): ...", "{m}:ap", "module {m} has no attribute 'ap'; did you mean {m}:appl\\?"),
        ("class site: ...", "{m}:site.wsgi", "object {m}:site has no attribute 'wsgi'"),
        ("app = 'text'", "{m}:app", "{m}:app is 'text', which cannot be called"),
        (
            "import collections; app = collections.deque()",
            "{m}:app",
            "is an object of type collections.deque, which cannot",
        ),
    ],
)
def test_what_cannot_be_found_or_used(put: Put, source: str, app: str, message: str) -> None:
    put("some_module.py", source)
    with pytest.raises(AppLoadError, match=message.replace("{m}", "some_module")) as caught:
        load(app.replace("{m}", "some_module"))
    assert caught.value.exit_code == 4
    assert app_traceback(caught.value) == ""


@pytest.mark.parametrize("app", ["no_such_module_at_all", "no_such_package_at_all.wsgi:app", "a_package.no_such:app"])
def test_missing_module_says_where_was_looked_and_needs_no_traceback(put: Put, app: str) -> None:
    put("a_package/__init__.py", "")
    with pytest.raises(AppLoadError, match=r"there is no module '.*no_such.*'; looked in .*--chdir") as caught:
        load(app)
    assert app_traceback(caught.value) == ""


# -- the project's own errors ----------------------------------------------------------------------


def test_import_error_inside_the_project_keeps_the_projects_traceback(put: Put) -> None:
    put("uses_missing.py", "import helper_with_bug\napp = 1\n")
    put("helper_with_bug.py", "import no_such_dependency\n")
    with pytest.raises(
        AppLoadError, match="importing uses_missing failed: ModuleNotFoundError: No module named"
    ) as caught:
        load("uses_missing:app")
    text = app_traceback(caught.value)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.index("uses_missing.py") < text.index("helper_with_bug.py")
    assert text.endswith("ModuleNotFoundError: No module named 'no_such_dependency'\n")
    assert "hybrid" not in text
    assert "importlib" not in text


def test_chained_errors_of_the_project_are_shown_clean(put: Put) -> None:
    put(
        "chained.py",
        "try:\n    import no_such_dependency\nexcept ImportError as e:\n    raise RuntimeError('x') from e\n",
    )
    with pytest.raises(AppLoadError) as caught:
        load("chained:app")
    text = app_traceback(caught.value)
    assert "direct cause" in text
    assert "importlib" not in text
    assert "loader.py" not in text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", "importing bad_project failed: SyntaxError"),
        ("import sys; sys.exit(7)", "importing bad_project failed: SystemExit: 7"),
        ("raise ValueError('line one\\nline two')", "importing bad_project failed: ValueError: line one"),
        ("raise ValueError", "importing bad_project failed: ValueError$"),
    ],
)
def test_whatever_an_import_raises_is_an_app_load_error(put: Put, source: str, message: str) -> None:
    put("bad_project.py", source)
    with pytest.raises(AppLoadError, match=message):
        load("bad_project:app")


# -- factories -------------------------------------------------------------------------------------

FACTORY = """
def create_app(name="default", *, debug=False):
    def app(environ, start_response): ...
    app.made_with = (name, debug)
    return app

def nothing(): ...

def broken(): raise OSError("no database")

async def asynchronous(): ...
"""


def test_call_is_a_factory(put: Put) -> None:
    put("factories.py", FACTORY)
    assert load("factories:create_app('x', debug=True)").made_with == ("x", True)  # type: ignore[attr-defined]


def test_factory_option_calls_without_arguments(put: Put) -> None:
    put("factories.py", FACTORY)
    assert load("factories:create_app", factory=True).made_with == ("default", False)  # type: ignore[attr-defined]


def test_factory_option_with_a_call_calls_once(put: Put) -> None:
    put("factories.py", FACTORY)
    assert load("factories:create_app('y')", factory=True).made_with == ("y", False)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("factories:nothing()", r"factories:nothing\(\) is None, which cannot be called"),
        ("factories:broken()", r"calling factories:broken failed: OSError: no database"),
        ("factories:create_app(1, 2, 3)", r"calling factories:create_app failed: TypeError"),
        ("factories:asynchronous()", "factories:asynchronous is asynchronous"),
        ("factories:FACTORY()", "factories:FACTORY is 'a', which cannot be called, hence no factory"),
    ],
)
def test_factory_that_fails(put: Put, app: str, message: str) -> None:
    put("factories.py", FACTORY + "FACTORY = 'a'\n")
    with pytest.raises(AppLoadError, match=message):
        load(app)


def test_traceback_of_a_factory_begins_in_the_project(put: Put) -> None:
    put("factories.py", FACTORY)
    with pytest.raises(AppLoadError) as caught:
        load("factories:broken()")
    assert app_traceback(caught.value).splitlines()[1].strip().endswith("in broken")


# -- where to import from --------------------------------------------------------------------------


def test_folders_come_first_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/somewhere", str(tmp_path), "/else"])
    settings = Settings(chdir=str(tmp_path), pythonpath=("/lib/one", "/lib/two"))
    prepare_import_path(settings)
    prepare_import_path(settings)
    assert sys.path == ["/lib/one", "/lib/two", str(tmp_path), "/somewhere", "/else"]


def test_without_chdir_it_is_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/somewhere"])
    prepare_import_path(Settings())
    assert sys.path == [os.getcwd(), "/somewhere"]
