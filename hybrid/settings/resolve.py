"""From everything that was written anywhere to one Settings, with the origin of each value.

    default  <  file  <  environment  <  command line

with one wrinkle: for gunicorn, whose Python settings files are read as they are, PORT,
WEB_CONCURRENCY and FORWARDED_ALLOW_IPS only change the defaults. They are therefore below a Python
file, and above a TOML file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hybrid.errors import SettingsError
from hybrid.settings.cpus import usable_cpus
from hybrid.settings.files import find_file, read_file
from hybrid.settings.kinds import AUTO, Value
from hybrid.settings.layer import DEFAULT, Given, Layer, Origin, command_line, own_environment, platform_environment
from hybrid.settings.model import TABLE, Settings
from hybrid.settings.names import BY_NAME
from hybrid.settings.validate import validate


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings, and for `hybrid config` where each came from."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()
    namespace: Mapping[str, object] = field(default_factory=dict)
    """What a Python settings file defined: its hooks are in here."""


def resolve(
    values: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
    cpus: Callable[[], int] = usable_cpus,
) -> Resolved:
    """Read file and environment, and lay them over each other.

    `values` are those of the command line, by setting name. Reads everything anew, so that it is
    called again for a reload, with the `cwd` of the start. Raises SettingsError.
    """
    cwd = cwd or start_folder()
    layers = gather(values or {}, os.environ if environ is None else environ, cwd)
    return combine(layers, cwd, cpus)


def start_folder() -> str:
    """The current folder, as the shell calls it: `current`, a link that a deployment turns, stays a link."""
    shown = os.environ.get("PWD", "")
    try:
        return shown if os.path.isabs(shown) and os.path.samefile(shown, ".") else os.getcwd()
    except OSError:
        return os.getcwd()


def gather(values: Mapping[str, object], environ: Mapping[str, str], cwd: str) -> list[Layer]:
    """The layers, lowest first."""
    given = command_line(values)
    own = own_environment(environ)
    platform = platform_environment(environ, TABLE)
    named = given.values.get("config") or own.values.get("config")
    name, warning = (str(named.value), "") if named is not None else find_file(cwd)
    if not name:
        return [platform, own, given]
    file = read_file(name, cwd)
    noted = {**file.values, "config": Given(name, named.origin if named is not None else Origin("file", name))}
    file = Layer(noted, (*file.warnings, *([warning] if warning else [])), file.namespace)
    return [*([platform, file] if file.namespace else [file, platform]), own, given]


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
    settings = Settings(**values)  # type: ignore[arg-type]  # each value was made by the kind of its own field
    warnings = validate(settings, origins)
    return Resolved(
        settings,
        origins,
        (*(warning for layer in layers for warning in layer.warnings), *warnings),
        next((layer.namespace for layer in layers if layer.namespace), {}),
    )


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
