"""Dying with one's parent: what the kernel can do for a child that cannot watch by itself."""

from __future__ import annotations

import os

from hybrid.contract import libc

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Become the parent of descendants whose parent ends. False where the system has no such thing (not Linux)."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_when_parent_dies(number: int, parent: int) -> bool:
    """Have the kernel send this signal to us when the parent ends. False where there is no such thing.

    Linux only. A change of user or group clears it, so call it after those. The parent may have
    died before the call: then the signal is sent here and now.
    """
    if not _prctl(_PR_SET_PDEATHSIG, number):
        return False
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
    return True


def _prctl(option: int, value: int) -> bool:
    call = libc.find("prctl")
    return call is not None and call(option, value, 0, 0, 0) == 0
