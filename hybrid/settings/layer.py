"""A layer: settings that came from one place, each with its origin and still as they were written there.

Resolving is laying layers on each other. A further source of settings is a function that gives one
more layer; nothing else has to know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import NamedTuple

from hybrid.errors import SettingsError
from hybrid.settings import foreign
from hybrid.settings.entry import Entry
from hybrid.settings.given import Given, Origin
from hybrid.settings.names import BY_NAME, BY_OTHER_NAME, did_you_mean, find, nearest, normal


class Layer(NamedTuple):
    """Settings by name. `warnings` are for the log; `namespace` is all that a Python file defined, for its hooks."""

    values: Mapping[str, Given] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    namespace: Mapping[str, object] = MappingProxyType({})


def command_line(values: Mapping[str, object], kind: str = "command line", where: str = "") -> Layer:
    """The layer of the command line: values by setting name, None and () for options that were not given.

    Among them may be options of other servers, by the names that `foreign` gives them. Command lines are
    also in variables, such as GUNICORN_CMD_ARGS: `kind` and `where` then say so.
    """
    own: dict[str, Given] = {}
    others: dict[str, Given] = {}
    for name, value in values.items():
        if value is None or value == ():
            continue
        if name in foreign.BY_NAME:
            flags = foreign.BY_NAME[name].flags
            others[name] = Given(value, Origin(kind, where or flags[0].split("/")[0]))
        else:
            entry = BY_NAME[name]
            own[name] = Given(value, Origin(kind, where or (entry.flag if entry.flags else "APP")))
    return with_foreign(own, others)


def with_foreign(own: Mapping[str, Given], others: Mapping[str, Given], warnings: Iterable[str] = ()) -> Layer:
    """A layer of settings and of options of other servers; where both say something, the setting is meant."""
    translated, explained = foreign.translate(others)
    return Layer({**translated, **own}, (*warnings, *explained))


PREFIX = "HYBRID_"

INTERNAL = frozenset[str]()
"""HYBRID_* variables that are not settings: what one arbiter tells the next."""

_SERVICE_PARTS = ("_SERVICE_", "_PORT")


def own_environment(environ: Mapping[str, str]) -> Layer:
    """The layer of the HYBRID_* variables. An empty variable counts as not set.

    A name that is nearly a setting's is refused. Any other unknown one only warns: an orchestrator
    invents variables for a service called "hybrid" (HYBRID_PORT_80_TCP, HYBRID_SERVICE_HOST), and
    an application may have some of its own.
    """
    values: dict[str, Given] = {}
    warnings: list[str] = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in INTERNAL or text == "":
            continue
        name = variable[len(PREFIX) :]
        entry = find(name)
        if entry is not None:
            values[entry.name] = Given(text, Origin("environment", variable))
        elif ("_" + name).startswith(_SERVICE_PARTS):
            continue
        elif close := nearest(name, cutoff=0.8):
            raise SettingsError(
                f"environment variable {variable}: there is no setting {name.lower()!r};"
                f" did you mean {PREFIX}{close.upper()}?"
            )
        else:
            warnings.append(f"environment variable {variable} is ignored: there is no setting {name.lower()!r}")
    return Layer(values, tuple(warnings))


def uvicorn_environment(environ: Mapping[str, str]) -> Layer:
    """The layer of the UVICORN_* variables: an option's name in capitals, as uvicorn reads them."""
    own: dict[str, Given] = {}
    others: dict[str, Given] = {}
    warnings = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith("UVICORN_") or text == "":
            continue
        name = variable.removeprefix("UVICORN_").lower()
        given = Given(text, Origin("environment", variable))
        entry = find(name)
        if name in foreign.BY_NAME:
            others[name] = given
        elif entry is not None:
            own[entry.name] = given
        else:
            warnings.append(f"environment variable {variable} is ignored: there is no option {name!r}")
    return with_foreign(own, others, warnings)


def platform_environment(environ: Mapping[str, str], table: Iterable[Entry]) -> Layer:
    """The layer of the variables that hosting platforms set for any server: PORT, WEB_CONCURRENCY, ..."""
    values = {}
    for entry in table:
        for variable in entry.platform:
            if text := environ.get(variable, "").strip():
                value = f"0.0.0.0:{text}" if variable == "PORT" else text
                values[entry.name] = Given(value, Origin("environment", variable))
    return Layer(values)


def from_toml(pairs: Iterable[tuple[str, object, Origin]], others: Iterable[str] = ()) -> dict[str, Given]:
    """Settings from the keys of a TOML table.

    Raises SettingsError for a key that is none, with the nearest of them and of `others`.
    """
    values: dict[str, Given] = {}
    for name, value, origin in pairs:
        entry = find(name)
        if entry is None and (other := foreign.IN_FILES.get(normal(name))) is not None:
            raise SettingsError(f"{origin.where}: {name!r} is no setting here: {other.reason}")
        if entry is None:
            raise SettingsError(f"{origin.where}: there is no setting {name!r}{did_you_mean(name, others)}")
        if entry.name in values:
            earlier = values[entry.name].origin.where
            raise SettingsError(f"{origin.where}: {name!r} is {entry.name} again, which {earlier} has set; remove one")
        values[entry.name] = Given(value, origin)
    return values


def from_python(pairs: Iterable[tuple[str, object, Origin]]) -> tuple[dict[str, Given], tuple[str, ...]]:
    """Settings from the names that a Python file defined, and warnings.

    Such a file is often one written for gunicorn, whose other names are nobody's business. Hence only
    exact names count (`env` or `log_level` are favourite variables), and a name that gunicorn does not
    know is a setting only if its value can be one (so is `app`, `loop` or `http`).
    """
    values: dict[str, Given] = {}
    warnings: list[str] = []
    for name, value, origin in pairs:
        if name in foreign.IN_FILES:
            translated, explained = foreign.translate({name: Given(value, origin)})
            values.update(translated)
            warnings += explained
        entry = BY_NAME.get(name) or BY_OTHER_NAME.get(name)
        if entry is None or isinstance(value, ModuleType):
            continue
        if entry.is_own and entry.name == name:
            try:
                entry.kind.parse(value)
            except (ValueError, TypeError, OverflowError):
                warnings.append(f"{origin.where}: {name} is not taken for the setting: expected {entry.kind.expected}")
                continue
            if entry.name in values:
                continue
        values[entry.name] = Given(value, origin)
    return values, tuple(warnings)
