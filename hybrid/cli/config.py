"""`hybrid config`: every setting, its value, and where the value came from."""

from __future__ import annotations

import click

from hybrid.cli.command import SettingsCommand
from hybrid.cli.options import parse_command_line
from hybrid.settings import TABLE, Resolved, Settings, resolve
from hybrid.settings.entry import GROUPS
from hybrid.settings.kinds import Opaque

SECRET = ("keyfile_password",)


def config(values: dict[str, object], changed: bool = False) -> int:
    """Print them by subject; the exit code. With `changed` only those that are not at their default."""
    resolved = resolve(values, parse=parse_command_line)
    for line in (*lines(resolved, is_changed_only=changed), *pool_lines(resolved.settings)):
        click.echo(line)
    for warning in resolved.warnings:
        click.echo(f"hybrid: warning: {warning}", err=True)
    return 0


def lines(resolved: Resolved, *, is_changed_only: bool = False) -> list[str]:
    """One line for each setting, in columns."""
    found = []
    for group in GROUPS:
        rows = [
            (entry.name, shown(entry.name, getattr(resolved.settings, entry.name)), str(resolved.origins[entry.name]))
            for entry in TABLE
            if entry.group == group and not (is_changed_only and resolved.origins[entry.name].kind == "default")
        ]
        if rows:
            found += [f"# {group}", *(f"{name:<24} = {value:<32} # {origin}" for name, value, origin in rows), ""]
    return found[:-1]


def pool_lines(settings: Settings) -> list[str]:
    """What was decided of pools and routes, as comments; nothing where there is one pool. Raises SettingsError."""
    if not (settings.pools or settings.routes):
        return []
    from hybrid.routing.layout import lay_out

    layout = lay_out(settings)
    found = []
    for pool in layout.pools:
        found += ["", f"# Pool {pool.name}{f', fallback {pool.fallback}' if pool.fallback else ''}"]
        found += [
            f"# {entry.name:<22} = {shown(entry.name, getattr(pool.settings, entry.name))}"
            for entry in TABLE
            if entry.name in ("app", "worker_class", "workers")
            or getattr(pool.settings, entry.name) != getattr(settings, entry.name)
        ]
    default = f"# what has no route goes to pool {layout.pools[0].name}"
    return [*found, "", "# Routes", *(f"# {route}" for route in layout.routes), default]


def shown(name: str, value: object) -> str:
    """A value as TOML would have it; a secret is not shown."""
    if name in SECRET and value:
        return '"***"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Opaque):
        if isinstance(value.value, tuple):
            return "[" + ", ".join(_inline(item) for item in value.value) + "]"
        return repr(value.value) if value else "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(_quoted(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return _quoted(value) if isinstance(value, str) else str(value)


def _inline(value: object) -> str:
    """A value of a TOML file as one line of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(str(name))} = {_inline(item)}" for name, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return shown("", value)


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else _quoted(name)


def _quoted(text: str) -> str:
    if "'" not in text and ('"' in text or "\\" in text) and text.isprintable():
        return f"'{text}'"
    import json

    return json.dumps(text, ensure_ascii=False)


command = SettingsCommand(
    "config",
    config,
    "Show every setting, its value and where the value came from.",
    "config [OPTIONS] [APP]",
    [click.Option(["--changed"], is_flag=True, help="Only settings that are not at their default.")],
)
