"""From the text of APP to the application object. Runs in a worker: the arbiter imports no application.

What goes wrong here is nearly always in the user's project, so an error says where was looked and
what was found, and carries the project's own exception as its cause.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from hybrid.errors import AppLoadError
from hybrid.settings import Settings

DEFAULT_ATTRIBUTES = ("application", "app")


class AppSpec(NamedTuple):
    """APP taken apart. `attribute` is "" where the default is to be looked for; `is_call` marks a factory."""

    module: str
    attribute: str = ""
    is_call: bool = False
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = MappingProxyType({})


def parse_spec(app: str) -> AppSpec:
    """Take `module:attribute` or `module:factory("x", debug=True)` apart. Raises AppLoadError."""
    module, _, attribute = app.strip().partition(":")
    if not module:
        raise AppLoadError(f"application {app!r}: no module in front of the colon; expected module:attribute")
    if module.endswith(".py") or "/" in module:
        hint = module.removesuffix(".py").strip("./").replace("/", ".") + (f":{attribute}" if attribute else "")
        raise AppLoadError(f"application {app!r} is a file name; name the module instead: {hint}")
    if not all(part.isidentifier() for part in module.split(".")):
        raise AppLoadError(f"application {app!r}: {module!r} is not a module name; expected package.module:attribute")
    if not attribute:
        return AppSpec(module)
    try:
        node = ast.parse(attribute, mode="eval").body
    except (SyntaxError, ValueError):
        raise AppLoadError(f"application {app!r}: {attribute!r} is neither a name nor a call") from None
    if not isinstance(node, ast.Call):
        return AppSpec(module, _dotted(node, app))
    try:
        args = tuple(ast.literal_eval(argument) for argument in node.args)
        kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg is not None}
    except ValueError:
        raise AppLoadError(
            f"application {app!r}: the arguments of a factory must be literals, such as 'text', 3 or True"
        ) from None
    if len(kwargs) != len(node.keywords):
        raise AppLoadError(f"application {app!r}: ** is not possible in the arguments of a factory")
    return AppSpec(module, _dotted(node.func, app), True, args, kwargs)


def _dotted(node: ast.expr, app: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, app)}.{node.attr}"
    raise AppLoadError(f"application {app!r}: expected module:name, module:name.name or module:name(arguments)")


def prepare_import_path(settings: Settings) -> None:
    """Put the project's folder, and in front of it those of --pythonpath, first in sys.path. Call it after chdir."""
    folders = [os.path.abspath(folder) for folder in settings.pythonpath] + [settings.chdir or os.getcwd()]
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders)]


def load_app(settings: Settings) -> object:
    """Import the application of the settings, and call it if it is a factory.

    Runs the project's code. Raises AppLoadError; where the project itself raised, that is its `__cause__`.
    """
    app = settings.app
    if settings.app_object is not None:
        spec, found, name = AppSpec(""), settings.app_object, app
    else:
        spec = parse_spec(app)
        found, name = _find(_import(spec, app), spec, app)
    if spec.is_call or settings.factory:
        found = _call(found, name, spec, app)
        name += "()"
    if not callable(found):
        raise AppLoadError(
            f"application {app!r}: {name} is {_describe(found)}, which cannot be called, hence no application"
        )
    return found


def _import(spec: AppSpec, app: str) -> object:
    try:
        return importlib.import_module(spec.module)
    except ModuleNotFoundError as error:
        if error.name is None or not (spec.module + ".").startswith(error.name + "."):
            raise AppLoadError(f"application {app!r}: importing {spec.module} failed: {_in_one_line(error)}") from error
        raise AppLoadError(
            f"application {app!r}: there is no module {error.name!r}; looked in {_searched()};"
            " start in the project's folder, or name it with --chdir or --pythonpath"
        ) from None
    except (Exception, SystemExit) as error:
        raise AppLoadError(f"application {app!r}: importing {spec.module} failed: {_in_one_line(error)}") from error


def _searched() -> str:
    folders = [
        entry or "."
        for entry in sys.path
        if not entry.startswith((sys.prefix, sys.base_prefix)) and not entry.endswith(".zip")
    ]
    return ", ".join([*list(dict.fromkeys(folders))[:3], "the installed packages"])


def _find(module: object, spec: AppSpec, app: str) -> tuple[object, str]:
    if not spec.attribute:
        for name in DEFAULT_ATTRIBUTES:
            if hasattr(module, name):
                return getattr(module, name), f"{spec.module}:{name}"
        raise AppLoadError(
            f"application {app!r}: module {spec.module} has neither 'application' nor 'app'{_candidates(module, spec)}"
        )
    found, path = module, spec.module
    for part in spec.attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            kind = "module" if found is module else "object"
            raise AppLoadError(
                f"application {app!r}: {kind} {path} has no attribute {part!r}{_candidates(found, spec, part)}"
            ) from None
        path += (":" if found is not module and path == spec.module else ".") + part
    return found, path


def _candidates(owner: object, spec: AppSpec, wanted: str = "app") -> str:
    """The tail of a message: what else there is that looks like an application or like what was meant."""
    import difflib

    names = (
        [name for name, value in vars(owner).items() if callable(value) and not name.startswith("_")]
        if hasattr(owner, "__dict__")
        else []
    )
    factories = [
        name for name in names if name in ("create_app", "make_app", "get_app", "create_application", "app_factory")
    ]
    if factories:
        return f"; is {factories[0]} a factory? then: {spec.module}:{factories[0]} --factory"
    close = difflib.get_close_matches(wanted, names, n=1)
    return f"; did you mean {spec.module}:{close[0]}?" if close else ""


def _call(factory: object, name: str, spec: AppSpec, app: str) -> object:
    if not callable(factory):
        raise AppLoadError(
            f"application {app!r}: {name} is {_describe(factory)}, which cannot be called, hence no factory"
        )
    try:
        found: object = factory(*spec.args, **spec.kwargs)
    except (Exception, SystemExit) as error:
        raise AppLoadError(f"application {app!r}: calling {name} failed: {_in_one_line(error)}") from error
    if hasattr(found, "__await__"):
        if hasattr(found, "close"):
            found.close()
        raise AppLoadError(f"application {app!r}: {name} is asynchronous; a factory must be a plain function")
    return found


def _describe(value: object) -> str:
    if value is None or isinstance(value, (bool, int, float, str)):
        shown = repr(value)
        return shown if len(shown) <= 40 else shown[:37] + "..."
    return f"an object of type {type(value).__module__}.{type(value).__qualname__}"


def _in_one_line(error: BaseException) -> str:
    message = str(error).strip().partition("\n")[0]
    message = message if len(message) <= 200 else message[:197] + "..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def app_traceback(error: BaseException) -> str:
    """The traceback of the project's own exception behind an AppLoadError; "" if there is none.

    Without our frames and those of the import machinery, so that it begins in the project.
    """
    cause = error.__cause__
    if cause is None:
        return ""
    formatted = traceback.TracebackException.from_exception(cause)
    seen: list[traceback.TracebackException | None] = [formatted]
    while seen:
        one = seen.pop()
        if one is not None:
            kept = [
                frame
                for frame in one.stack
                if frame.filename != __file__ and not frame.filename.startswith("<frozen importlib")
            ]
            kept = [frame for frame in kept if frame.filename != importlib.__file__]
            one.stack[:] = kept
            seen += [one.__cause__, one.__context__]
    return "".join(formatted.format())
