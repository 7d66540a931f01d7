"""Did the kernel's out-of-memory killer strike in our cgroup? Its counter says so; the signal alone does not."""

from __future__ import annotations

import os

_ROOT = "/sys/fs/cgroup"


class OomKills:
    """The counter `oom_kill` of the cgroup that we are in, of either version."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path if path is not None else _find()
        self._seen = self._read() or 0

    @property
    def is_known(self) -> bool:
        """There is a counter."""
        return bool(self._path)

    def take(self) -> bool:
        """Has there been one more kill than was taken so far? Takes one."""
        count = self._read()
        if count is None or count <= self._seen:
            return False
        self._seen += 1
        return True

    def _read(self) -> int | None:
        try:
            with open(self._path, encoding="ascii") as file:
                return oom_kills(file.read())
        except OSError:
            return None


def oom_kills(text: str) -> int | None:
    """The number in memory.events or memory.oom_control; None if it is in neither. Pure."""
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.strip().isdigit():
            return int(number)
    return None


def candidates(cgroups: str) -> list[str]:
    """Where the counter may be, by /proc/self/cgroup, the likeliest first. Pure.

    In a container the path in that file is often the host's, and the files are at the root of what is mounted.
    """
    found = []
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found += [f"{_ROOT}/memory{place}/memory.oom_control" for place in (path.rstrip("/"), "")]
        elif not controllers:
            found += [f"{_ROOT}{place}/memory.events" for place in (path.rstrip("/"), "")]
    return list(dict.fromkeys(found))


def _find() -> str:
    try:
        with open("/proc/self/cgroup", encoding="ascii") as file:
            places = candidates(file.read())
    except (OSError, ValueError):
        return ""
    for place in places:
        try:
            with open(place, encoding="ascii") as file:
                if oom_kills(file.read()) is not None:
                    return os.path.abspath(place)
        except OSError:
            continue
    return ""
