"""What one line of the settings table says, and how it is attached to a field of the dataclass."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar, cast

from hybrid.settings.kinds import Kind, Value

T = TypeVar("T", bound=Value)

KEY = "hybrid"
"""Where in a field's metadata its entry is."""

GROUPS = (
    "Application",
    "Listening",
    "Workers",
    "Pools",
    "Deadlines",
    "Limits",
    "Proxies",
    "TLS",
    "WebSocket",
    "Logging",
    "Process",
)
"""The subjects, in the order of help and documentation."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting, apart from its name and type, which are the field's own.

    `flags` are its command-line spellings, the one to show first. `also` are other names for it in
    files and in HYBRID_* variables. `platform` are environment variables that others have made
    customary for it. `bare` is the value of its flag given without one. `is_own`: gunicorn has no
    setting of this name.
    """

    name: str
    default: Value
    kind: Kind
    group: str
    help: str
    flags: tuple[str, ...]
    also: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    bare: str = ""
    is_common: bool = False
    is_own: bool = False
    shown_default: str = ""

    @property
    def flag(self) -> str:
        """The spelling for messages: the first long flag."""
        return next((flag.split("/")[0] for flag in self.flags if flag.startswith("--")), self.name)

    @property
    def variable(self) -> str:
        return "HYBRID_" + self.name.upper()


@dataclass(frozen=True, slots=True)
class _Draft:
    """An entry before it knows its name: what `setting()` leaves in the field's metadata."""

    kind: Kind
    group: str
    help: str
    flags: tuple[str, ...] | None
    also: tuple[str, ...]
    platform: tuple[str, ...]
    bare: str
    is_common: bool
    is_own: bool
    shown_default: str


def setting(
    default: T,
    kind: Kind,
    group: str,
    help: str,
    *,
    flags: tuple[str, ...] | None = None,
    also: tuple[str, ...] = (),
    platform: tuple[str, ...] = (),
    bare: str = "",
    common: bool = False,
    own: bool = False,
    shown_default: str = "",
) -> T:
    """A dataclass field that is a setting. Without `flags` it gets one, spelled as its name with dashes."""
    draft = _Draft(kind, group, help, flags, also, platform, bare, common, own, shown_default)
    return dataclasses.field(default=default, metadata={KEY: draft})


def entries(settings: type) -> tuple[Entry, ...]:
    """The table that the fields of the settings dataclass make, in their order."""
    table = []
    for field in dataclasses.fields(settings):
        if KEY not in field.metadata:  # no setting, but something that travels with them
            continue
        draft: _Draft = field.metadata[KEY]
        flags = draft.flags if draft.flags is not None else ("--" + field.name.replace("_", "-"),)
        table.append(
            Entry(
                name=field.name,
                default=cast("Value", field.default),  # setting() gives every field one
                kind=draft.kind,
                group=draft.group,
                help=draft.help,
                flags=flags,
                also=draft.also,
                platform=draft.platform,
                bare=draft.bare,
                is_common=draft.is_common,
                is_own=draft.is_own,
                shown_default=draft.shown_default,
            )
        )
    return tuple(table)
