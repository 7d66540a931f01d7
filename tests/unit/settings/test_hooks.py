"""Reading hooks: found, counted, named as text; what cannot be called is refused with file and line."""

from __future__ import annotations

import pytest

from hybrid.errors import SettingsError
from hybrid.settings.hooks import ARGUMENTS, NO_HOOKS, read_hooks


def hook_of(count: int) -> object:
    return eval(f"lambda {', '.join(f'a{number}' for number in range(count))}: None")


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_every_hook_is_taken_with_its_own_number_of_arguments(name: str) -> None:
    hook = hook_of(len(ARGUMENTS[name]))
    assert getattr(read_hooks({name: hook}, "conf.py"), name) is hook


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_a_hook_of_the_wrong_arity_is_refused_with_file_and_line(name: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^conf\.py:\d+: hook {name} takes \(a0, .*expected .*{ARGUMENTS[name][0]}"
    ):
        read_hooks({name: hook_of(len(ARGUMENTS[name]) + 3)}, "conf.py")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_post_request_may_take_fewer(count: int) -> None:
    seen: list[tuple[object, ...]] = []
    hook = {
        2: lambda a, b: seen.append((a, b)),
        3: lambda a, b, c: seen.append((a, b, c)),
        4: lambda *all: seen.append(all),
    }
    taken = read_hooks({"post_request": hook[count]}, "conf.py").post_request
    assert taken is not None
    taken(1, 2, 3, 4)
    assert seen == [(1, 2, 3, 4)[:count]]


def test_a_hook_may_be_named_as_text() -> None:
    import os.path

    assert read_hooks({"on_exit": "os.path.basename"}, "conf.py").on_exit is os.path.basename


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "expected package.module.function"),
        ("no_such_module.hook", "cannot import no_such_module"),
        ("os.path.no_such", "has no attribute 'no_such'"),
    ],
)
def test_text_that_names_no_function_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_hooks({"on_exit": text}, "conf.py")


def test_a_hook_that_is_no_function_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"hook on_exit is int, expected a function of 1 argument \(server\)"):
        read_hooks({"on_exit": 3}, "conf.py")


def test_without_hooks_there_are_none() -> None:
    assert read_hooks({"bind": ":80", "on_exit": None}, "conf.py") is NO_HOOKS
    assert NO_HOOKS.defined() == ()
