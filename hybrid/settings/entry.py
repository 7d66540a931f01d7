"""What one line of the settings table says, and how it is attached to a field of the dataclass."""

from __future__ import annotations

import dataclasses
from typing import Final, NamedTuple, TypeVar

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


class Entry(NamedTuple):
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


_BY_NAME: Final = ("--",)
"""In the place of flags: one, spelled as the name with dashes."""


def setting(
    default: T,
    kind: Kind,
    group: str,
    help: str,
    *,
    flags: tuple[str, ...] = _BY_NAME,
    also: tuple[str, ...] = (),
    platform: tuple[str, ...] = (),
    bare: str = "",
    common: bool = False,
    own: bool = False,
    shown_default: str = "",
) -> T:
    """A dataclass field that is a setting. Without `flags` it gets one, spelled as its name with dashes."""
    nameless = Entry("", default, kind, group, help, flags, also, platform, bare, common, own, shown_default)
    return dataclasses.field(default=default, metadata={KEY: nameless})


def entries(settings: type) -> tuple[Entry, ...]:
    """The table that the fields of the settings dataclass make, in their order."""
    table = []
    for field in dataclasses.fields(settings):
        if KEY not in field.metadata:  # no setting, but something that travels with them
            continue
        nameless: Entry = field.metadata[KEY]
        flags = nameless.flags if nameless.flags is not _BY_NAME else ("--" + field.name.replace("_", "-"),)
        table.append(nameless._replace(name=field.name, flags=flags))
    return tuple(table)
