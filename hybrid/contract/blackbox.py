"""A worker's last words that need no worker to say them: the stacks of all its threads, written by a signal handler.

`faulthandler` writes them in C, without the interpreter's lock: so also for a worker that is stuck in a C library,
that waits for itself, or that just met a segmentation fault. They go to a file in memory that the arbiter
has made and reads when the worker is dead. Only Python frames: what a C library does below them is not seen.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
from collections.abc import Callable

from hybrid.contract import libc

DUMP_SIGNAL: int | None = signal.SIGRTMIN + 10 if hasattr(signal, "SIGRTMIN") else None
"""Asks a worker for its stacks and harms nothing; None where there are no real-time signals."""

_MOST_BYTES = 64 * 1024
_SIGNAL_STACK_BYTES = 1 << 20
"""Handlers that interrupt each other, one for each of the 64 signals, at up to 11 KB of registers each."""
_signal_stack: mmap.mmap | None = None


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2), on Linux."""

    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def make() -> int:
    """An empty box; the descriptor is the caller's. Raises OSError."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("hybrid-stacks")
    import tempfile  # half a megabyte of the arbiter, and nothing where memory files exist

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def record_stacks(fd: int) -> None:
    """In a worker, early: have the stacks written there at a crash, at SIGABRT and when asked for them."""
    try:
        faulthandler.enable(fd, all_threads=True)
        if DUMP_SIGNAL is not None:
            faulthandler.register(DUMP_SIGNAL, file=fd, all_threads=True, chain=False)
    except (OSError, RuntimeError, ValueError):  # no such descriptor: it lives on without
        return
    _widen_signal_stack()


def _widen_signal_stack() -> None:
    """Have a larger stack for signal handlers than faulthandler makes. For the thread that calls.

    Python runs all its handlers in C on that stack, and there is room on it for two or three that interrupt each other,
    where the processor has AVX-512; a fourth is a segmentation fault. Pages that are never used are no memory.
    """
    global _signal_stack
    sigaltstack = libc.find("sigaltstack")
    if sigaltstack is None:
        return
    if _signal_stack is None:
        _signal_stack = mmap.mmap(-1, _SIGNAL_STACK_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(_signal_stack))
    sigaltstack(ctypes.byref(_Stack(start, 0, _SIGNAL_STACK_BYTES)), None)


def record_more(fd: int, write: Callable[[], object]) -> None:
    """In a worker's main thread: have `write` called whenever it is asked for its stacks, if Python code can run."""
    if DUMP_SIGNAL is None:
        return
    faulthandler.unregister(DUMP_SIGNAL)
    signal.signal(DUMP_SIGNAL, lambda number, frame: write())
    try:
        faulthandler.register(DUMP_SIGNAL, file=fd, all_threads=True, chain=True)
    except (OSError, RuntimeError, ValueError):  # no such descriptor
        pass


def read(fd: int) -> str:
    """What is in the box, the end of it if it is much."""
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, _MOST_BYTES, max(0, size - _MOST_BYTES))
    except OSError:
        return ""
    return without_ours(data.decode("utf-8", "replace").strip())


def without_ours(stacks: str) -> str:
    """The same without the frames of the arbiter that a forked worker has below its own. Pure."""
    lines = []
    is_below = False
    for line in stacks.splitlines():
        is_frame = line.startswith("  File ")
        if not (is_below and is_frame):
            lines.append(line)
        is_below = is_frame and (is_below or line.endswith(" in run_worker"))
    return "\n".join(lines)
