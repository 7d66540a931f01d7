"""docs/settings.md, made from the table: `python -m hybrid.settings.docs > docs/settings.md`."""

from __future__ import annotations

import sys

from hybrid.settings.entry import GROUPS, Entry
from hybrid.settings.kinds import Opaque
from hybrid.settings.model import TABLE

HEAD = """\
# Settings

Generated from the table in `hybrid/settings/model.py` by `make docs`; do not edit.

Every setting can be given in four places. A later one wins:

1. its default;
2. a settings file. One file is read: the one named by `-c`, else the first that exists of `hybrid.toml`,
   `gunicorn.conf.py` and the `[tool.hybrid]` table of `pyproject.toml`;
3. the environment: `HYBRID_` and the name in capitals, such as `HYBRID_WORKERS=4`. Lists are separated by commas.
   Pools and routes by semicolons. An empty variable counts as not set;
4. the command line.

`hybrid config` shows every value and where it came from. A reload (`SIGHUP`) reads the file again.

**TOML files** take the name of a setting or the spelling of its option: `keepalive = 5`, `keep-alive = 5`.
A key that is no setting is an error.

**Python files** (`-c file.py`, `-c python:module`, `gunicorn.conf.py`) are executed, and the names they define are
the settings; other names are ignored, as gunicorn does. For the same reason `PORT`, `WEB_CONCURRENCY` and
`FORWARDED_ALLOW_IPS` only change the default there: a Python file overrides them, `HYBRID_*` variables override it.

Durations are seconds (`30`, `0.5`) or have a unit (`500ms`, `30s`, `2m`, `1h`); sizes are bytes or have a unit
(`64k`, `16M`). 0 switches a deadline or a limit off.
"""


def render() -> str:
    """The whole document."""
    parts = [HEAD]
    for group in GROUPS:
        parts.append(f"\n## {group}\n")
        parts += [_section(entry) for entry in TABLE if entry.group == group]
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    lines = [f"### `{entry.name}`", "", entry.help, ""]
    if entry.flags:
        flags = ", ".join(f"`{flag.replace('/', '` / `')}`" for flag in entry.flags)
        lines.append(f"- Option: {flags}")
    lines.append("- Environment: " + ", ".join(f"`{name}`" for name in (entry.variable, *entry.platform)))
    lines.append(f"- Value: {entry.kind.expected}" + ("; repeatable" if entry.kind.is_list and entry.flags else ""))
    lines.append(f"- Default: {_default(entry)}")
    if entry.also:
        lines.append("- In files also: " + ", ".join(f"`{name}`" for name in entry.also))
    return "\n".join(lines) + "\n"


def _default(entry: Entry) -> str:
    if entry.shown_default:
        return entry.shown_default
    if isinstance(entry.default, Opaque):
        return "none"
    if isinstance(entry.default, bool):
        return "`true`" if entry.default else "`false`"
    if entry.default in ("", ()):
        return "none"
    if isinstance(entry.default, tuple):
        return ", ".join(f"`{item}`" for item in entry.default)
    return f"`{entry.default:g}`" if isinstance(entry.default, float) else f"`{entry.default}`"


if __name__ == "__main__":
    sys.stdout.write(render())
