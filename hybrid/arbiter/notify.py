"""Telling the service manager how we are: sd_notify(3), a datagram to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping


class Notifier:
    """Does nothing when no service manager listens. Takes the variable out of the environment, away from workers."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog(os.environ, os.getpid()) if self._address else 0.0
        """How often a sign of life is wanted: half of what the manager waits for; 0 = never."""

    @property
    def environ(self) -> dict[str, str]:
        """What another arbiter in our place needs to find the manager."""
        found = {"NOTIFY_SOCKET": self._address} if self._address else {}
        if self.watchdog_s:
            found["WATCHDOG_USEC"] = str(int(self.watchdog_s * 2_000_000))
        return found

    def tell(self, *states: str, fd: int = -1) -> None:
        """Send e.g. "READY=1", perhaps with a descriptor, of which the manager gets a duplicate.

        Never blocks and never fails: a manager that is not there needs no news.
        """
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.connect(address)
                text = "\n".join(states).encode()
                if fd >= 0:
                    socket.send_fds(sock, [text], [fd])
                else:
                    sock.send(text)
        except OSError:  # gone, or its queue is full
            pass


def _watchdog(environ: MutableMapping[str, str], pid: int) -> float:
    """sd_watchdog_enabled(3)."""
    period, owner = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not period.isdigit() or owner not in ("", str(pid)):
        return 0.0
    return int(period) / 2_000_000
