"""How many CPUs this process may really use: `workers = auto`.

A container sees every CPU of its host; what it may use is the least of the affinity mask and the
cgroup's CPU quota, its own or that of any group above it. A quota of 2.5 CPUs gives 2: a third
worker would mostly be throttled, which shows as latency.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

_ROOT = "/sys/fs/cgroup"


def quota_v2(cpu_max: str) -> float | None:
    """CPUs allowed by the text of a `cpu.max` file ("200000 100000"); None for "max" and for what cannot be read."""
    quota, _, period = cpu_max.strip().partition(" ")
    try:
        return int(quota) / int(period or 100_000)
    except (ValueError, ZeroDivisionError):
        return None


def quota_v1(quota_us: str, period_us: str) -> float | None:
    """CPUs allowed by `cpu.cfs_quota_us` and `cpu.cfs_period_us`; None without a quota, which is -1."""
    try:
        quota, period = int(quota_us), int(period_us)
        return quota / period if quota > 0 else None
    except (ValueError, ZeroDivisionError):
        return None


def cgroup_folders(proc_self_cgroup: str) -> tuple[list[str], list[str]]:
    """The folders whose limits apply, from the text of /proc/self/cgroup: those of version 2, and of version 1.

    Each list goes from the process's own group up to the root, since every group on the way limits.
    Inside a container the path is often one of the host's, and only the root exists; the reader skips what is missing.
    """
    v2: list[str] = []
    v1: list[str] = []
    for line in proc_self_cgroup.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            v2 += [_ROOT + parent for parent in _parents(path)]
        elif "cpu" in controllers.split(","):
            v1 += [f"{_ROOT}/{name}{parent}" for name in (controllers, "cpu") for parent in _parents(path)]
    return v2, v1


def _parents(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return ["".join("/" + part for part in parts[:length]) for length in range(len(parts), -1, -1)]


def usable(affinity: int, quotas: Iterable[float | None]) -> int:
    """The CPUs to count on: never less than 1."""
    return max(1, min([affinity, *(int(quota) for quota in quotas if quota is not None)]))


def quotas_from(files: Mapping[str, str]) -> list[float | None]:
    """The quotas that a set of cgroup files, given as path -> text, describe."""
    v2, v1 = cgroup_folders(files.get("/proc/self/cgroup", ""))
    return [quota_v2(files[f"{folder}/cpu.max"]) for folder in v2 if f"{folder}/cpu.max" in files] + [
        quota_v1(files[f"{folder}/cpu.cfs_quota_us"], files.get(f"{folder}/cpu.cfs_period_us", "100000"))
        for folder in v1
        if f"{folder}/cpu.cfs_quota_us" in files
    ]


def usable_cpus() -> int:
    """What `usable` gives for this process, now. Reads /proc and /sys where they exist."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = _read(["/proc/self/cgroup"])
    v2, v1 = cgroup_folders(files.get("/proc/self/cgroup", ""))
    files |= _read(f"{folder}/cpu.max" for folder in v2)
    files |= _read(f"{folder}/cpu.cfs_{name}_us" for folder in v1 for name in ("quota", "period"))
    return usable(affinity, quotas_from(files))


def _read(paths: Iterable[str]) -> dict[str, str]:
    found = {}
    for path in paths:
        try:
            with open(path) as file:
                found[path] = file.read()
        except OSError:  # not mounted, not Linux, or a path of the host
            continue
    return found
