"""`--daemon`: leave the terminal. For those who start servers by hand; a service manager wants none of this."""

from __future__ import annotations

import os
import sys

from hybrid.arbiter.unpatched import fork

_UMASK = 0o022


def leave_terminal(*, keeps_output: bool) -> None:
    """Go on as a process of its own session, whose parent the caller does not wait for.

    Two forks: the second so that no terminal can become the controlling one again. The process that was
    called ends with 0, once the settings were good. Standard streams go to /dev/null, except output and
    errors with `keeps_output`.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if fork():
        os._exit(0)
    os.setsid()
    if fork():
        os._exit(0)
    os.umask(_UMASK)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0,) if keeps_output else (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)
