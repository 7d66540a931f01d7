"""Functions of the C library that Python does not have."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


@cache  # what the arbiter has loaded its workers need not
def find(name: str) -> Callable[..., int] | None:
    """The function, which sets errno; None where the system is not Linux or its C library has no such function."""
    if sys.platform != "linux":
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return None
    return found
