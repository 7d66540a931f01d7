"""The server hooks: which there are, what each is called with, and how they are read from a settings file.

A hook that nobody defined is None, not a function that does nothing: whoever would call it once per
request asks first, and a server without hooks pays one comparison.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from hybrid.errors import SettingsError

Hook: TypeAlias = "Callable[..., Any]"

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "on_starting": ("server",),
    "on_reload": ("server",),
    "when_ready": ("server",),
    "pre_fork": ("server", "worker"),
    "post_fork": ("server", "worker"),
    "post_worker_init": ("worker",),
    "worker_int": ("worker",),
    "worker_abort": ("worker",),
    "pre_exec": ("server",),
    "pre_request": ("worker", "req"),
    "post_request": ("worker", "req", "environ", "resp"),
    "child_exit": ("server", "worker"),
    "worker_exit": ("server", "worker"),
    "nworkers_changed": ("server", "new_value", "old_value"),
    "on_exit": ("server",),
    "ssl_context": ("config", "default_ssl_context_factory"),
}
"""Every hook with the arguments that it is called with, in the order of a server's life."""

_FEWEST = {"post_request": 2}
"""A hook that may take fewer arguments than it could be given."""


class Hooks(NamedTuple):
    """What a settings file defined; None where it did not."""

    on_starting: Hook | None = None
    on_reload: Hook | None = None
    when_ready: Hook | None = None
    pre_fork: Hook | None = None
    post_fork: Hook | None = None
    post_worker_init: Hook | None = None
    worker_int: Hook | None = None
    worker_abort: Hook | None = None
    pre_exec: Hook | None = None
    pre_request: Hook | None = None
    post_request: Hook | None = None
    child_exit: Hook | None = None
    worker_exit: Hook | None = None
    nworkers_changed: Hook | None = None
    on_exit: Hook | None = None
    ssl_context: Hook | None = None

    def defined(self) -> tuple[str, ...]:
        """The names of those that are there."""
        return tuple(name for name in ARGUMENTS if getattr(self, name) is not None)


NO_HOOKS = Hooks()


def read_hooks(namespace: Mapping[str, object], where: str) -> Hooks:
    """The hooks among the names that a settings file defined; `where` is the file, for messages.

    A hook may be named as text, "package.module.function", and is then imported here. Raises
    SettingsError for what cannot be called, or not with the arguments of that hook.
    """
    found = {name: namespace[name] for name in ARGUMENTS if namespace.get(name) is not None}
    if not found:
        return NO_HOOKS
    return NO_HOOKS._replace(**{name: _checked(name, value, where) for name, value in found.items()})


def _checked(name: str, value: object, where: str) -> Hook:
    hook = _imported(name, value, where) if isinstance(value, str) else value
    place = where + _line_of(hook)
    arguments = ARGUMENTS[name]
    expected = f"{len(arguments)} argument{'s' if len(arguments) > 1 else ''} ({', '.join(arguments)})"
    if not callable(hook):
        raise SettingsError(f"{place}: hook {name} is {type(hook).__name__}, expected a function of {expected}")
    for count in range(len(arguments), _FEWEST.get(name, len(arguments)) - 1, -1):
        if _takes(hook, count):
            return hook if count == len(arguments) else _first_arguments(hook, count)
    if name in _FEWEST:
        expected = f"{_FEWEST[name]} to {expected}"
    raise SettingsError(f"{place}: hook {name} takes {_shown_arguments(hook)}, expected {expected}")


def _imported(name: str, text: str, where: str) -> object:
    module, _, attribute = text.strip().replace(":", ".").rpartition(".")
    if not module:
        raise SettingsError(f"{where}: hook {name} is the text {text!r}, expected package.module.function")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise SettingsError(f"{where}: hook {name}: cannot import {module}: {error}") from error
    except AttributeError:
        raise SettingsError(f"{where}: hook {name}: module {module} has no attribute {attribute!r}") from None


def _line_of(hook: object) -> str:
    code = getattr(inspect.unwrap(hook) if callable(hook) else hook, "__code__", None)
    return f":{code.co_firstlineno}" if code is not None else ""


def _takes(hook: Hook, count: int) -> bool:
    try:
        inspect.signature(hook).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # C code that does not tell
        return True
    return True


def _shown_arguments(hook: Hook) -> str:
    parameters = inspect.signature(hook).parameters
    return f"({', '.join(str(parameter) for parameter in parameters.values())})" if parameters else "no arguments"


def _first_arguments(hook: Hook, count: int) -> Hook:
    def call(*arguments: object) -> object:
        return hook(*arguments[:count])

    return call
