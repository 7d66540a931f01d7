"""From everything that was written anywhere to one Settings, with the origin of each value.

    default  <  file  <  environment  <  command line

"Environment" is, lowest first, the UVICORN_* variables, the options in GUNICORN_CMD_ARGS and the HYBRID_*
variables;
there is one wrinkle: for gunicorn, whose Python settings files are read as they are, PORT,
WEB_CONCURRENCY and FORWARDED_ALLOW_IPS only change the defaults. They are therefore below a Python
file, and above a TOML file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from hybrid.errors import SettingsError
from hybrid.settings.cpus import usable_cpus
from hybrid.settings.env_file import read_env_file
from hybrid.settings.files import find_file, read_file
from hybrid.settings.given import DEFAULT, Given, Origin
from hybrid.settings.hooks import NO_HOOKS, read_hooks
from hybrid.settings.kinds import AUTO, Value
from hybrid.settings.layer import Layer, command_line, own_environment, platform_environment, uvicorn_environment
from hybrid.settings.model import TABLE, Settings
from hybrid.settings.names import BY_NAME
from hybrid.settings.validate import validate
from hybrid.settings.worker_names import GONE, ours

Parse: TypeAlias = "Callable[[Sequence[str]], Mapping[str, object]]"
"""Takes a command line apart, into values by setting name. Raises ValueError with a message."""

CMD_ARGS = "GUNICORN_CMD_ARGS"


class Resolved(NamedTuple):
    """The settings, and for `hybrid config` where each came from."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the operator should know and need not act upon."""
    namespace: Mapping[str, object] = MappingProxyType({})
    """What a Python settings file defined: its hooks are in here."""


def resolve(
    values: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    cpus: Callable[[], int] = usable_cpus,
    parse: Parse | None = None,
) -> Resolved:
    """Read file and environment, and lay them over each other.

    `values` are those of the command line, by setting name. Reads everything anew, so that it is
    called again for a reload, with the `cwd` of the start. `parse` takes a command line apart, for the one
    in GUNICORN_CMD_ARGS. Raises SettingsError.
    """
    cwd = cwd or start_folder()
    environ = os.environ if environ is None else environ
    resolved = combine(gather(values or {}, environ, cwd, parse), cwd, cpus)
    env_file = resolved.settings.env_file
    if not env_file:
        return resolved
    # Variables that are set already win, and --env, which the operator typed, wins over both.
    pairs = tuple(pair for pair in read_env_file(env_file, cwd) if pair.partition("=")[0] not in environ)
    return resolved._replace(settings=replace(resolved.settings, raw_env=(*pairs, *resolved.settings.raw_env)))


def start_folder() -> str:
    """The current folder, as the shell calls it: `current`, a link that a deployment turns, stays a link."""
    shown = os.environ.get("PWD", "")
    try:
        return shown if os.path.isabs(shown) and os.path.samefile(shown, ".") else os.getcwd()
    except OSError:
        return os.getcwd()


def gather(
    values: Mapping[str, object], environ: Mapping[str, str], cwd: str, parse: Parse | None = None
) -> list[Layer]:
    """The layers, lowest first."""
    given = command_line(values)
    own = own_environment(environ)
    platform = platform_environment(environ, TABLE)
    upper = [uvicorn_environment(environ), _cmd_args(environ, parse), own, given]
    named = next((layer.values["config"] for layer in reversed(upper) if "config" in layer.values), None)
    name, warning = (str(named.value), "") if named is not None else find_file(cwd)
    if not name:
        return [platform, *upper]
    file = read_file(name, cwd)
    noted = {**file.values, "config": Given(name, named.origin if named is not None else Origin("file", name))}
    file = Layer(noted, (*file.warnings, *([warning] if warning else [])), file.namespace)
    return [*([platform, file] if file.namespace else [file, platform]), *upper]


def _cmd_args(environ: Mapping[str, str], parse: Parse | None) -> Layer:
    """The layer of gunicorn's variable with a command line in it. Raises SettingsError."""
    text = environ.get(CMD_ARGS, "").strip()
    if not text or parse is None:
        return Layer()
    try:
        return command_line(parse(shlex.split(text)), "environment", CMD_ARGS)
    except ValueError as error:
        raise SettingsError(f"environment variable {CMD_ARGS}: {error}") from error


def combine(layers: Sequence[Layer], cwd: str, cpus: Callable[[], int] = usable_cpus) -> Resolved:
    """Lay the layers over each other, lowest first, and check the outcome. Touches no file and no variable."""
    top: dict[str, Given] = {}
    for layer in layers:
        top.update(layer.values)
    values: dict[str, Value] = {entry.name: entry.default for entry in TABLE}
    origins = dict.fromkeys(values, DEFAULT)
    for name, given in top.items():
        values[name] = read_value(name, given)
        origins[name] = given.origin
    if values["workers"] == AUTO:
        values["workers"] = cpus()
        origins["workers"] = Origin(origins["workers"].kind, origins["workers"].where + " (auto)")
    if not values["bind"]:
        values["bind"] = ("127.0.0.1:8000",)
    if values["chdir"]:
        # Absolute at once: a worker may change folder a second time.
        values["chdir"] = os.path.normpath(os.path.join(cwd, str(values["chdir"])))
    _mount_from_raw_env(values, origins)
    namespace: Mapping[str, object] = next((layer.namespace for layer in layers if layer.namespace), {})
    hooks = read_hooks(namespace, str(values["config"])) if namespace else NO_HOOKS
    notes = _our_worker(values, origins)
    settings = Settings(**values, hooks=hooks)  # type: ignore[arg-type]  # each value was made by the kind of its own field
    warnings = validate(settings, origins)
    return Resolved(
        settings,
        origins,
        (*(warning for layer in layers for warning in layer.warnings), *warnings),
        notes,
        namespace,
    )


def _mount_from_raw_env(values: dict[str, Value], origins: dict[str, Origin]) -> None:
    """`--env SCRIPT_NAME=/shop` is how gunicorn's users say the root path."""
    pairs = values["raw_env"]
    assert isinstance(pairs, tuple), "that is the type of the field"
    name = next((pair[12:] for pair in reversed(pairs) if pair.startswith("SCRIPT_NAME=")), "")
    if name and origins["root_path"].where in (DEFAULT.where, "SCRIPT_NAME"):
        values["root_path"] = read_value("root_path", Given(name, origins["raw_env"]))
        origins["root_path"] = origins["raw_env"]


def _our_worker(values: dict[str, Value], origins: dict[str, Origin]) -> tuple[str, ...]:
    """Put our name in the place of another server's for the worker class, and say so."""
    name = str(values["worker_class"])
    if name in GONE:
        raise SettingsError(f"setting worker_class ({origins['worker_class']}): {name!r}: {GONE[name]}")
    same = ours(name)
    if same is None:
        return ()
    values["worker_class"] = same.name
    if same.http and origins["http"] is DEFAULT:
        values["http"] = same.http
        origins["http"] = origins["worker_class"]
    more = f" with --http {same.http}" if same.http else ""
    return (f"worker class {name} is served by hybrid's own: -k {same.name}{more}",)


def read_value(name: str, given: Given) -> Value:
    """The value of one setting, made from what was written.

    Raises SettingsError naming the setting, the origin, what was found and what is allowed.
    """
    kind = BY_NAME[name].kind
    try:
        return kind.parse(given.value)
    except (ValueError, TypeError, OverflowError):
        shown = repr(given.value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        raise SettingsError(f"setting {name} ({given.origin}): found {shown}, expected {kind.expected}") from None
