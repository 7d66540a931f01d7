"""How much memory a process uses, from /proc. 0 where that cannot be known."""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss_bytes(pid: int) -> int:
    """Resident memory, shared pages counted in full. Cheap: a few microseconds."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def pss_bytes(pid: int) -> int:
    """Resident memory, shared pages counted by share: what ending the process would give back, and a fair part.

    The kernel walks the page tables for it: milliseconds for a large process. Never more than `rss_bytes`, which
    is what is given where this cannot be read.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return rss_bytes(pid)
