"""Binary upgrade: a new arbiter, started anew from its files, beside the old one and on the same sockets.

The old one forks and executes the command line that it was started with; sockets and the rest of the inheritance are
named in one environment variable. Both serve. What follows is the operator's business, who ends the one or the other
by signal; or ours, with `hybrid upgrade`: the new one says "ready" on the link between them, and the old one stops.

Files that both could use - pidfile, unix sockets, control socket - belong to the survivor: nobody removes one while the
other lives, and the new pidfile and control socket have `.2` at their end until the old arbiter is gone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import NamedTuple

from hybrid.arbiter.unpatched import fork

VARIABLE = "_HYBRID_UPGRADE"
"""Not HYBRID_..., which is how settings are named."""
SUFFIX = ".2"
_READY = b"ready\n"


class Inheritance(NamedTuple):
    """What the new arbiter gets from the old one."""

    pid: int
    """The old one's."""
    link: int
    """A descriptor: our end of the link."""
    sockets: Mapping[str, int]
    """Listening sockets by the bind value that asked for them."""
    files: Mapping[str, tuple[str, int]]
    """Socket files that the old one made: path and inode, by bind value."""
    activated: tuple[int, ...] = ()
    """Those that a service manager passed."""
    routes: str = ""
    """The routes in force with their live changes, as --routes-state has them; "" for none."""


def take(environ: MutableMapping[str, str], parent: int) -> Inheritance | None:
    """What is in the environment, if it is for a child of this parent. It is taken out: workers must not see it."""
    text = environ.pop(VARIABLE, "")
    if not text:
        return None
    try:
        values = json.loads(text)
        files = {key: (str(path), int(inode)) for key, (path, inode) in values["files"].items()}
        activated, routes = tuple(values["activated"]), str(values.get("routes", ""))
        found = Inheritance(values["pid"], values["link"], values["sockets"], files, activated, routes)
    except (ValueError, KeyError, TypeError):  # nobody of ours wrote that
        return None
    return found if found.pid == parent else None


class Successor:
    """The new arbiter, seen from the old one. `fileno()` is readable when it said something, or ended."""

    def __init__(
        self,
        inheritance: Inheritance,
        start_dir: str,
        environ: Mapping[str, str],
        *,
        leave: bool,
        prepare: Callable[[], None],
    ) -> None:
        """Start it. `leave`: the old one stops once the new one serves. `prepare` is called in the process that becomes
        the new one. Raises OSError."""
        self.leave = leave
        self.is_ready = False
        ours, theirs = socket.socketpair()
        self._link = ours
        ours.setblocking(False)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = fork()
            if self.pid == 0:
                _execute(inheritance, theirs, start_dir, dict(environ), prepare)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()

    def fileno(self) -> int:
        return self._link.fileno()

    def receive(self) -> bool:
        """Take in what it said. False when it has closed the link: it ended, or will."""
        try:
            data = self._link.recv(100)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        self.is_ready = self.is_ready or _READY in data
        return bool(data)

    def close(self) -> None:
        self._link.close()


def _execute(
    inheritance: Inheritance, link: socket.socket, start_dir: str, environ: dict[str, str], prepare: Callable[[], None]
) -> None:
    """In the forked child: become the new arbiter. Never returns."""
    try:
        prepare()
        os.chdir(start_dir)
        number = link.detach()
        for fd in (number, *inheritance.sockets.values()):
            os.set_inheritable(fd, True)
        environ[VARIABLE] = json.dumps({**inheritance._asdict(), "link": number})
        for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal stays so
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        os.execvpe(sys.orig_argv[0], sys.orig_argv, environ)
    except BaseException as error:
        os.write(2, f"hybrid: error: upgrade: cannot execute {sys.orig_argv[0]}: {error}\n".encode())
    finally:
        os._exit(1)


class Predecessor:
    """The old arbiter, seen from the new one. `fileno()` is readable when it is gone."""

    def __init__(self, inheritance: Inheritance) -> None:
        self.pid = inheritance.pid
        self._link = socket.socket(fileno=inheritance.link)
        self._link.set_inheritable(False)
        self._link.setblocking(False)
        self._has_told = False

    def fileno(self) -> int:
        return self._link.fileno()

    def tell_ready(self) -> None:
        """All workers serve. Once is enough."""
        if not self._has_told:
            self._has_told = True
            try:
                self._link.send(_READY)
            except OSError:  # it has gone by itself
                pass

    @property
    def is_gone(self) -> bool:
        """Its process is no longer our parent."""
        return os.getppid() != self.pid

    def close(self) -> None:
        self._link.close()
