"""One value as it was written, with the place where it stands."""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """Where a value came from: `kind` is default, file, environment or command line; `where` is the exact place."""

    kind: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}" if self.where and self.kind != "file" else self.where or self.kind


DEFAULT = Origin("default")


class Given(NamedTuple):
    """One value as it was written, and where."""

    value: object
    origin: Origin
