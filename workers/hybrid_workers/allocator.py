"""What the C library's allocator gives back to the kernel, and when.

Content of a request or of a response is often a block of 100 KB to a few MB that lives for one request. Left alone,
glibc gives such a block back when it is freed and asks for it anew at the next request; the kernel clears each of its
pages every time, which costs more than all that the server does with the content.
"""

from __future__ import annotations

import os
from typing import Final

from hybrid.contract import libc

# malloc.h of glibc
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

KEPT: Final = 8 << 20
"""So many unused bytes at the end of the heap stay with the process."""
OF_ITS_OWN: Final = 2 << 20
"""A block of this size or more is asked of the kernel, and given back, by itself."""

_CHOSEN_BY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_blocks() -> bool:
    """From now on, do not give a block back that the next request will want.

    False where there is nothing to choose (no glibc), or the operator has chosen, by the variables of mallopt(3).
    Call it when the application is loaded: what that has freed is better given back.
    """
    if any(name in os.environ for name in _CHOSEN_BY):
        return False
    mallopt = libc.find("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, OF_ITS_OWN)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT))
