"""What a compiled build is made of: types that say the same as the sources, and nothing that is forgotten."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TYPES = sorted(path.relative_to(ROOT) for base in ("hybrid", "workers") for path in (ROOT / base).rglob("*.pxd"))
_is_class = re.compile(r"cdef class (\w+)").match
_is_attribute = re.compile(r"    cdef (?:public \w+ )?([^()]+)$").match


def typed(text: str) -> dict[str, set[str]]:
    """By class, the attributes that a .pxd file declares."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if (begins := _is_class(line)) is not None:
            found[begins[1]] = attributes = set()
        elif (declares := _is_attribute(line)) is not None:
            attributes.update(declares[1].removeprefix("dict __dict__").split(", "))
    return {name: attributes - {""} for name, attributes in found.items()}


def slotted(text: str) -> dict[str, set[str]]:
    """By class, what its __slots__ name."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                match statement:
                    case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
                        names = ast.literal_eval(value)
                        found[node.name] = {names} if isinstance(names, str) else set(names)
    return found


def test_there_is_something_to_compile() -> None:
    assert len(TYPES) > 15


@pytest.mark.parametrize("types", TYPES, ids=str)
def test_types_name_the_attributes_that_a_class_has(types: Path) -> None:
    slots = slotted((ROOT / types).with_suffix(".py").read_text())
    for name, attributes in typed((ROOT / types).read_text()).items():
        if name in slots:
            left_to_dict = {"__dict__", "_send", "_sends_files"} if "__dict__" in slots[name] else set()
            assert attributes == slots[name] - left_to_dict, name


@pytest.mark.skipif(os.environ.get("COMPILE_HYBRID") != "1", reason="this build is pure Python: see make test-compiled")
@pytest.mark.parametrize("types", TYPES, ids=str)
def test_what_runs_is_compiled(types: Path) -> None:
    parts = types.with_suffix("").parts
    module = importlib.import_module(".".join(parts[1:] if parts[0] == "workers" else parts))
    assert module.__file__ is not None
    assert module.__file__.endswith(sysconfig.get_config_var("EXT_SUFFIX"))
