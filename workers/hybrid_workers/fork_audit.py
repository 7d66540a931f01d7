"""What the application opened while it was imported and cannot share with the workers forked from a template.

A thread exists only in the process that started it. A connection exists in all of them, and what each writes gets
mixed; a file, where it is written to at more places than its end, as a database is. None is an error by itself, so they
are only named, with the line that made them where Python code did; what C code made is found in /proc, without a line.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

_HINT = "start it in a post_fork or post_worker_init hook, or in lifespan startup"
_NO_DISK = ("/dev/", "/proc/", "/memfd:")
_OURS = os.path.dirname(os.path.abspath(__file__))


@dataclass(slots=True)
class Findings:
    """What is there at the end of the import and was not at the beginning."""

    lines: list[str] = field(default_factory=list)


@contextmanager
def audited() -> Iterator[Findings]:
    """Watch the threads that start and the sockets that open in this block, and name those that are left."""
    threads: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()
    sockets: WeakKeyDictionary[socket.socket, str] = WeakKeyDictionary()
    start, init = threading.Thread.start, socket.socket.__init__

    def noting_start(thread: threading.Thread) -> None:
        threads[thread] = _site()
        start(thread)

    def noting_init(sock: socket.socket, *arguments: Any, **named: Any) -> None:
        init(sock, *arguments, **named)
        sockets[sock] = _site()

    before = set(_open_sockets())
    files = {fd for fd, _ in _open_files()}
    findings = Findings()
    threading.Thread.start = noting_start  # type: ignore[method-assign, assignment]
    socket.socket.__init__ = noting_init  # type: ignore[method-assign, assignment]
    try:
        yield findings
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
        socket.socket.__init__ = init  # type: ignore[method-assign]
    for thread, site in list(threads.items()):
        if thread.is_alive():
            findings.lines.append(f"thread {thread.name!r} started at {site} runs in one worker only; {_HINT}")
    named = set()
    for sock, site in list(sockets.items()):
        if sock.fileno() >= 0:
            named.add(sock.fileno())
            findings.lines.append(f"socket {sock.fileno()} opened at {site} is shared by all workers; {_HINT}")
    for fd in sorted(set(_open_sockets()) - before - named):
        findings.lines.append(f"socket {fd} opened by C code is shared by all workers; {_HINT}")
    for fd, path in _open_files():
        if fd not in files:
            findings.lines.append(f"file {fd}, {path}, which is open for writing, is shared by all workers; {_HINT}")


def _open_sockets() -> Iterator[int]:
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return
    for name in names:
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                yield int(name)
        except OSError:  # the one that listed the folder
            continue


def _open_files() -> Iterator[tuple[int, str]]:
    """Those on a disk that are written to anywhere: what is only appended to, such as a log, may be shared."""
    try:
        names = sorted(os.listdir("/proc/self/fd"), key=int)
    except OSError:
        return
    for name in names:
        try:
            path = os.readlink(f"/proc/self/fd/{name}")
            if not path.startswith("/") or path.startswith(_NO_DISK) or not os.path.isfile(path):
                continue
            with open(f"/proc/self/fdinfo/{name}", encoding="ascii") as info:
                flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags:"))
        except (OSError, StopIteration):
            continue
        if flags & os.O_ACCMODE != os.O_RDONLY and not flags & os.O_APPEND:
            yield int(name), path


def _site() -> str:
    """The line of the application that did it: the first one outside of the standard library and of this package."""
    library = os.path.dirname(os.__file__)
    frame = sys._getframe(2)
    nearest = frame
    while frame is not None:
        name = frame.f_code.co_filename
        is_library = name.startswith((library, "<frozen")) and "site-packages" not in name
        if not is_library and not name.startswith(_OURS):
            return f"{name}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{nearest.f_code.co_filename}:{nearest.f_lineno}"
