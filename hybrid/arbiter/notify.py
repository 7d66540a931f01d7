"""Telling the service manager how we are: sd_notify(3), a datagram to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Does nothing when no service manager listens. Takes the variable out of the environment, away from workers."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def tell(self, *states: str) -> None:
        """Send e.g. "READY=1". Never blocks and never fails: a manager that is not there needs no news."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(states).encode(), address)
        except OSError:  # gone, or its queue is full
            pass
