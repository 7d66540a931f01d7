"""Finding a setting by any of its names, and the nearest one to a name that nobody has."""

from __future__ import annotations

from collections.abc import Iterable

from hybrid.settings.entry import Entry
from hybrid.settings.model import TABLE


def normal(name: str) -> str:
    """The form in which names are compared: `keep-alive`, `keep_alive` and `KEEP_ALIVE` are one name."""
    return name.lower().replace("-", "_")


def _spellings(entry: Entry) -> set[str]:
    flags = (flag for flags in entry.flags for flag in flags.split("/")[:1] if flag.startswith("--"))
    return {normal(name) for name in (entry.name, *entry.also, *(flag[2:] for flag in flags))}


_BY_SPELLING = {spelling: entry for entry in TABLE for spelling in _spellings(entry)}

BY_NAME = {entry.name: entry for entry in TABLE}
"""The table by the settings' own names."""


BY_OTHER_NAME = {name: entry for entry in TABLE for name in entry.also}
"""The table by the names that settings have besides."""


def find(name: str) -> Entry | None:
    """The setting of this name in a file, or of HYBRID_<name>."""
    return _BY_SPELLING.get(normal(name))


def nearest(name: str, others: Iterable[str] = (), cutoff: float = 0.6) -> str:
    """The known name that is most like this one; "" if none is."""
    import difflib  # costs 3 ms, and only a mistake needs it

    known = {**{spelling: spelling for spelling in _BY_SPELLING}, **{normal(other): other for other in others}}
    found = difflib.get_close_matches(normal(name), known, n=1, cutoff=cutoff)
    return known[found[0]] if found else ""


def did_you_mean(name: str, others: Iterable[str] = ()) -> str:
    """The tail of a message about an unknown name: "; did you mean 'x'?" or ""."""
    close = nearest(name, others)
    return f"; did you mean {close!r}?" if close else ""
