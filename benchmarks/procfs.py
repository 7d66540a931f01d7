"""What a process tree has used. Linux only.

CPU time of a live process comes from its POSIX CPU clock, which counts nanoseconds over all its
threads, dead ones included; /proc/PID/stat counts in ticks of 10 ms. Children that died and were
waited for are in their parent's stat, in ticks: good enough, since no worker dies in a round.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. PSS shares each page among the processes that map it, so it may be summed; RSS may not."""

    pss: int
    rss_of_first: int
    """Resident memory of the process that was started: an arbiter, where there is one."""


def processes_of(session: int) -> list[int]:
    """The live processes of a session, which is every process that a server started in its own session made."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            # After the name: state ppid pgrp session ...
            if fields and fields[0] != "Z" and int(fields[3]) == session:
                found.append(int(name))
    return sorted(found)


def cpu_s(session: int) -> float:
    """CPU seconds, user and system, that the processes of this session have used so far."""
    return sum(_cpu_s_of(pid) for pid in processes_of(session))


def memory(session: int) -> Memory:
    pids = processes_of(session)
    return Memory(
        pss=sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids) * 1024,
        rss_of_first=_kilobytes(session, "status", "VmRSS:") * 1024,
    )


def _cpu_s_of(pid: int) -> float:
    # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it: the pid's complement above three flag bits.
    clock = (~pid << 3) | 2
    try:
        live = time.clock_gettime(clock)
    except OSError:
        return 0.0  # gone since it was listed
    fields = _stat(pid)
    dead = (int(fields[13]) + int(fields[14])) / _TICKS_PER_S if fields else 0.0
    return live + dead


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name; [] when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _kilobytes(pid: int, file: str, key: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    for line in text.splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0
