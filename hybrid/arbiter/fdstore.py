"""Listening sockets in the service manager's care: they outlive an arbiter that is killed, and wait for the next one.

systemd keeps a duplicate of every descriptor that a service sends with FDSTORE=1, and passes all of them to the next
process of the service, after those of its socket units (sd_pid_notify_with_fds(3), sd_listen_fds(3)). So what connects
between a SIGKILL and the restart waits in the backlog. A stop of the unit drops them, a restart keeps them; which
of the two it is the service never learns, so at a stop they are left to the manager, which knows.

Stored are sockets that we bound ourselves. The manager has the others already, and a socket of --reuse-port does not
listen. The name says which bind value it is, because that is how we look it up.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import NamedTuple

from hybrid.arbiter.notify import Notifier

_FIRST_FD = 3
_PREFIX = "hybrid-"
_LONGEST_NAME = 255
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Passed(NamedTuple):
    """Descriptors that a service manager passed to this process."""

    activated: tuple[int, ...] = ()
    """Of its socket units."""
    stored: Mapping[str, int] = MappingProxyType({})
    """What an arbiter before us had left with it, by bind value."""


def take_passed(environ: MutableMapping[str, str], pid: int) -> Passed:
    """What is meant for this process. It is taken out of the environment: a child must not take it for its own."""
    if environ.get("LISTEN_PID") != str(pid):
        return Passed()
    count, names = environ.get("LISTEN_FDS", ""), environ.get("LISTEN_FDNAMES", "").split(":")
    for name in _VARIABLES:
        environ.pop(name, None)
    if not count.isdecimal():
        return Passed()
    activated, stored = [], {}
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        index = fd - _FIRST_FD
        bind = bind_of(names[index]) if index < len(names) else ""
        if bind and bind not in stored:
            stored[bind] = fd
        elif not bind:
            activated.append(fd)
        else:  # it had been stored twice: one is enough, and both are the same
            os.close(fd)
    return Passed(tuple(activated), stored)


def name_of(bind: str) -> str:
    """The name of its descriptor: printable ASCII without colons. "" when that is too long for one."""
    from urllib.parse import quote  # half a megabyte, and for few arbiters

    name = _PREFIX + quote(bind, safe="/@[],=+*")
    return name if len(name) <= _LONGEST_NAME else ""


def bind_of(name: str) -> str:
    """The opposite; "" for a name that is not one of ours."""
    from urllib.parse import unquote

    return unquote(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else ""


class FdStore:
    """What the manager has of us. Does nothing where it did not say that it stores anything ($FDSTORE)."""

    def __init__(self, notifier: Notifier, environ: Mapping[str, str], stored: Mapping[str, int]) -> None:
        self._notifier = notifier
        limit = environ.get("FDSTORE", "")
        self._limit = int(limit) if limit.isdecimal() else 0
        self._names = {name_of(bind) for bind in stored}

    def keep(self, sockets: Mapping[str, socket.socket]) -> None:
        """Have the manager keep these, by bind value, and no others of ours. Cheap when nothing has changed."""
        if not (self._limit or self._names):
            return
        wanted = {name_of(bind): sock for bind, sock in sockets.items()}
        wanted.pop("", None)
        for name in sorted(self._names - wanted.keys()):
            self._notifier.tell("FDSTOREREMOVE=1", f"FDNAME={name}")
            self._names.discard(name)
        for name in sorted(wanted.keys() - self._names):
            if len(self._names) < self._limit:
                self._notifier.tell("FDSTORE=1", f"FDNAME={name}", fd=wanted[name].fileno())
                self._names.add(name)

    def keep_anew(self, sockets: Mapping[str, socket.socket]) -> None:
        """The same when another arbiter may have changed what is stored."""
        self._names.clear()
        self.keep(sockets)
