"""Settings files: which one is read, and what TOML and Python files give.

One file is read, not a merge of several: the one named by `--config` or HYBRID_CONFIG, else the
first that exists of hybrid.toml, gunicorn.conf.py and a pyproject.toml with a `[tool.hybrid]` table.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from types import CodeType, ModuleType

from hybrid.errors import SettingsError
from hybrid.logs.standin import other_servers_names
from hybrid.settings.given import Origin
from hybrid.settings.layer import Layer, from_python, from_toml

TOML_NAME = "hybrid.toml"
PYTHON_NAME = "gunicorn.conf.py"
PROJECT_NAME = "pyproject.toml"
PROJECT_TABLE = "tool.hybrid"
MODULE = "__config__"
"""What a Python settings file is called as a module."""


def find_file(cwd: str) -> tuple[str, str]:
    """The settings file of this folder, "" if there is none, and a warning about another one that is not read."""
    has_toml, has_python = (os.path.isfile(os.path.join(cwd, name)) for name in (TOML_NAME, PYTHON_NAME))
    if has_toml:
        warning = f"{PYTHON_NAME} is not read, since there is a {TOML_NAME}; choose with --config" if has_python else ""
        return TOML_NAME, warning
    if has_python:
        return PYTHON_NAME, ""
    project = os.path.join(cwd, PROJECT_NAME)
    # A parser costs 10 ms of start-up, so that it is worth looking first whether the table can be there at all.
    if (
        os.path.isfile(project)
        and b"hybrid" in _read(project, PROJECT_NAME)
        and _project_table(_load_toml(project, PROJECT_NAME)) is not None
    ):
        return PROJECT_NAME, ""
    return "", ""


def read_file(name: str, cwd: str) -> Layer:
    """The layer of one settings file. Raises SettingsError, with file and line where there is one."""
    if name.startswith("python:"):
        return _python_module(name.removeprefix("python:"), cwd)
    name = name.removeprefix("file:")
    path = os.path.join(cwd, name)
    if not os.path.exists(path):
        raise SettingsError(f"settings file {name}: there is no such file (looked in {cwd})")
    if not path.endswith(".toml"):
        return _python_file(path, name, cwd)
    document = _load_toml(path, name)
    values, table = dict(document), ""
    if os.path.basename(path) == PROJECT_NAME:
        found, table = _project_table(document), PROJECT_TABLE
        if found is None:
            raise SettingsError(f"settings file {name}: there is no [{PROJECT_TABLE}] table in it")
        values = found
    return toml_layer(values, name, _read(path, name).decode(), table)


def _read(path: str, name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SettingsError(f"settings file {name}: cannot read it: {(error.strerror or '').lower()}") from error


# -- TOML --------------------------------------------------------------------------------------


def _load_toml(path: str, name: str) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(_read(path, name).decode())
    except ValueError as error:
        raise SettingsError(f"settings file {name}: {error}") from error


def _project_table(document: Mapping[str, object]) -> dict[str, object] | None:
    tool = document.get("tool")
    found = tool.get("hybrid") if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None


def toml_layer(values: Mapping[str, object], name: str, text: str, table: str = "") -> Layer:
    """The layer of a parsed TOML document or, with `table`, of that table in it. `text` is for the line numbers."""
    lines = key_lines(text, table)
    pairs = (
        (key, value, Origin("file", f"{name}:{lines[key]}" if key in lines else name)) for key, value in values.items()
    )
    return Layer(from_toml(pairs))


_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*(?:=|\.)""")


def key_lines(text: str, table: str = "") -> dict[str, int]:
    """The line of each key of one table, the top level for "". The parser keeps no positions, so this looks for them.

    A line inside a multi-line string may look like a key; then a line number is off, nothing else.
    """
    found: dict[str, int] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            current = header[1].replace('"', "").replace(" ", "")
            inner = (
                current[len(table) + 1 :] if table and current.startswith(table + ".") else current if not table else ""
            )
            if inner:
                found.setdefault(inner.split(".")[0], number)
        elif current == table and (key := _KEY.match(line)):
            found.setdefault(key[1], number)
    return found


# -- Python ------------------------------------------------------------------------------------


def _python_module(module: str, cwd: str) -> Layer:
    import importlib.util

    with _importing_from(cwd):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"settings python:{module}: {error}") from error
    if spec is None or spec.origin is None or not spec.has_location:
        raise SettingsError(f"settings python:{module}: there is no such module (looked in {cwd} and sys.path)")
    return _python_file(spec.origin, f"python:{module}", cwd)


def _python_file(path: str, name: str, cwd: str) -> Layer:
    """Execute the file and take from what it defines the names that are settings; the others are its own business.

    It is executed anew each time, so that a reload sees what was changed in it.
    """
    source = _read(path, name)
    # A module that can be found by its name: dataclasses, pickles and the classes of a logging configuration need it.
    module = ModuleType(MODULE)
    module.__file__ = path
    namespace: dict[str, object] = vars(module)
    sys.modules[MODULE] = module
    with _importing_from(cwd), other_servers_names():
        try:
            code = compile(source, path, "exec", dont_inherit=True)
            exec(code, namespace)
        except (Exception, SystemExit) as error:
            line = _line_of(error, path)
            where = f"{name}:{line}" if line else name
            message = error.msg if isinstance(error, SyntaxError) else error
            raise SettingsError(f"settings file {where}: {type(error).__name__}: {message}") from error
    lines = _assigned_lines(code, source)
    pairs = (
        (key, value, Origin("file", f"{name}:{lines[key]}" if key in lines else name))
        for key, value in namespace.items()
        if value is not None and not key.startswith("_")
    )
    values, warnings = from_python(pairs)
    if not name.startswith("python:") and os.path.splitext(path)[1] not in (".py", ".pyc"):
        warnings = (f"settings file {name} is read as Python; name it .py", *warnings)
    return Layer(values, warnings, namespace)


def _line_of(error: BaseException, path: str) -> int:
    """The innermost line of this file in the error's traceback."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _assigned_lines(code: CodeType, source: bytes) -> dict[str, int]:
    """Where each module-level name is assigned last, read off the syntax tree."""
    import ast

    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in code.co_names:
            found[node.id] = node.lineno
    return found


class _importing_from:
    """While a settings file runs, imports look in the folder it is used in, as under gunicorn, and only then."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._before: list[str] = []

    def __enter__(self) -> None:
        self._before = list(sys.path)
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)

    def __exit__(self, *_: object) -> None:
        if sys.path[1:] == self._before:
            del sys.path[0]
