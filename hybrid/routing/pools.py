"""Pools as they are written, and the settings of each: those of the command and the file, with the pool's own on top.

    --pool 'modern=mysite.asgi:application,class=asgi,workers=2'

    [pools.modern]
    app = "mysite.asgi:application"
    class = "asgi"
    workers = 2

APP of the command line is the pool `main`. What is per worker can be set per pool; what belongs to the arbiter, the
listeners or the log files, which all pools share, cannot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from hybrid.errors import SettingsError
from hybrid.routing.routes import POOL_NAME, Route
from hybrid.settings import TABLE, Origin, Settings
from hybrid.settings.cpus import usable_cpus
from hybrid.settings.given import Given
from hybrid.settings.kinds import AUTO, Value
from hybrid.settings.names import did_you_mean, find
from hybrid.settings.resolve import read_value
from hybrid.settings.validate import validate
from hybrid.settings.worker_names import GONE, ours

MAIN = "main"
"""The pool of APP."""

FALLBACK = "fallback"
"""A pool's own key: the pool that serves its requests while it cannot."""

_SHARED_GROUPS = ("Listening", "Pools", "Proxies", "TLS", "Logging", "Process")
_SHARED = {"config", "env_file", *(entry.name for entry in TABLE if entry.name.startswith("reload"))}

PER_POOL = frozenset(entry.name for entry in TABLE if entry.group not in _SHARED_GROUPS and entry.name not in _SHARED)
"""Names of the settings that a pool may have for itself."""


@dataclass(frozen=True, slots=True)
class PoolText:
    """A pool as it was written."""

    name: str
    values: Mapping[str, Given]
    origin: Origin
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool with every setting decided. `fallback` is the name of another pool, or ""."""

    name: str
    settings: Settings
    fallback: str = ""


# -- reading ---------------------------------------------------------------------------------------


def parse_pool(text: str, where: str = "--pool") -> PoolText:
    """From `NAME=APP[,SETTING=VALUE...]`; commas of a factory's arguments are its own. Raises SettingsError."""
    name, equals, rest = text.partition("=")
    if not equals or not rest.strip():
        raise SettingsError(
            f"{where} {text!r}: found no application, expected NAME=APP[,SETTING=VALUE...], such as"
            " modern=mysite.asgi:application,class=asgi,workers=2"
        )
    app, *options = _split(rest)
    pairs: list[tuple[str, object]] = [("app", app)]
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise SettingsError(f"{where} {text!r}: found {option!r}, expected SETTING=VALUE, such as workers=2")
        pairs.append((key.strip(), value.strip()))
    return _pool(name.strip(), pairs, Origin("command line", where))


def pools_from_table(tables: Mapping[str, object], where: str = "") -> tuple[PoolText, ...]:
    """From the table `pools` of a file; `where` is the file's name. Raises SettingsError."""
    found = []
    for name, table in tables.items():
        origin = Origin("file", f"{where} [pools.{name}]".strip())
        if not isinstance(table, Mapping):
            raise SettingsError(f'{origin}: found {table!r}, expected a table, with at least app = "module:attribute"')
        found.append(_pool(name, [(str(key), value) for key, value in table.items()], origin))
    return tuple(found)


def _pool(name: str, pairs: Iterable[tuple[str, object]], origin: Origin) -> PoolText:
    if not POOL_NAME.fullmatch(name):
        raise SettingsError(f"{origin}: {name[:80]!r} is no name of a pool; expected up to 32 letters, digits, - and _")
    values: dict[str, Given] = {}
    fallback = ""
    for key, value in pairs:
        if key == FALLBACK:
            fallback = str(value)
            continue
        entry = find("worker_class" if key == "class" else key)
        if entry is None:
            raise SettingsError(f"{origin}: pool {name}: there is no setting {key!r}{did_you_mean(key, ['class'])}")
        if entry.name not in PER_POOL:
            raise SettingsError(
                f"{origin}: pool {name}: {entry.name} is the same for all pools; set it outside of the pool"
            )
        if entry.name in values:
            raise SettingsError(f"{origin}: pool {name}: {entry.name} is there twice; remove one")
        values[entry.name] = Given(value, origin)
    return PoolText(name, values, origin, fallback)


def _split(text: str) -> list[str]:
    """At the commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
        if char == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


# -- deciding --------------------------------------------------------------------------------------


def decide_pools(base: Settings, texts: Sequence[PoolText], cpus: Callable[[], int] = usable_cpus) -> tuple[Pool, ...]:
    """Every pool with its settings; the first is the default. `base` is what command line and file say for all.

    Raises SettingsError for what cannot work together.
    """
    pools = [Pool(MAIN, base)] if base.app or not texts else []
    for text in texts:
        if any(pool.name == text.name for pool in pools):
            also = " (APP of the command line is the pool main)" if text.name == MAIN else ""
            raise SettingsError(f"{text.origin}: there is a pool {text.name} already{also}; choose another name")
        pools.append(Pool(text.name, _settings(base, text, cpus), text.fallback))
    names = [pool.name for pool in pools]
    for pool in pools:
        if pool.fallback and (pool.fallback not in names or pool.fallback == pool.name):
            others = ", ".join(name for name in names if name != pool.name)
            raise SettingsError(
                f"pool {pool.name}: fallback: found {pool.fallback!r}, expected another pool:"
                f" {others or 'there is none'}"
            )
    return tuple(pools)


def _settings(base: Settings, text: PoolText, cpus: Callable[[], int]) -> Settings:
    values: dict[str, Value] = {name: read_value(name, given) for name, given in text.values.items()}
    if not values.get("app"):
        raise SettingsError(f'{text.origin}: pool {text.name} has no application; give app = "module:attribute"')
    if values.get("workers") == AUTO:
        values["workers"] = cpus()
    name = str(values.get("worker_class", ""))
    if name in GONE:
        raise SettingsError(f"{text.origin}: pool {text.name}: worker class {name!r}: {GONE[name]}")
    same = ours(name)
    if same is not None:
        values["worker_class"] = same.name
        if same.http:
            values.setdefault("http", same.http)
    if "raw_env" in values:
        values["raw_env"] = (*base.raw_env, *cast("tuple[str, ...]", values["raw_env"]))  # of two, the later counts
    # Of APP, and not of any application: whether that is a factory says nothing about this one.
    own: dict[str, Value] = {"factory": False, "interface": "auto", "worker_class": "auto"}
    settings = dataclasses.replace(base, **{**own, **values}, app_object=None)  # type: ignore[arg-type]  # each was made by its kind
    validate(settings, _Everywhere(text.origin))
    return settings


class _Everywhere(dict[str, Origin]):
    """The origin of every setting is the pool's."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin

    def __missing__(self, name: str) -> Origin:
        return self._origin


def refuse_tls(pools: Sequence[Pool], routes: Sequence[Route]) -> None:
    """A TLS connection cannot be handed to another worker: its keys are in the memory of the one that accepted it.

    Raises SettingsError, with the two ways out, when TLS is on and requests may go to more than one pool.
    """
    if not pools or not pools[0].settings.certfile:
        return
    used = {pools[0].name, *(share.pool for route in routes for share in route.shares)}
    if len(used) < 2:
        return
    raise SettingsError(
        f"TLS is on (certfile {pools[0].settings.certfile}), and requests go to several pools"
        f" ({', '.join(pool.name for pool in pools if pool.name in used)}): a TLS connection cannot be handed from"
        " one worker to another. Either end TLS in front, in a proxy that passes requests on to --bind"
        " unix:/run/hybrid.sock, and leave --certfile out; or use one pool with -k asgi, and mount the WSGI"
        " application in the ASGI one"
    )
