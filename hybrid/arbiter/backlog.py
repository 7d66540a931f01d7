"""`--enable-backlog-metric`: how many connections wait for accept, told to whoever takes metrics, once a second.

The kernel knows: for a listening TCP socket, TCP_INFO counts them where it counts segments for others (Linux).
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterable

PERIOD_S = 1.0
_UNACKED = slice(24, 28)
"""`tcpi_unacked` in struct tcp_info: eight bytes of flags, then the fifth number."""


class BacklogMeter:
    """Looks when it is time to; the shell asks on every turn of its loop."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._at = 0.0

    def look(self, sockets: Iterable[socket.socket], until: float | None, now: float) -> float:
        """Tell the number, if it is time; when to wake for the next, which is not later than `until`."""
        if now >= self._at:
            self._at = now + PERIOD_S
            waiting = sum(map(waiting_on, sockets))
            metric = {"metric": "gunicorn.backlog", "value": waiting, "mtype": "histogram"}
            self._log.debug("socket backlog: %d", waiting, extra=metric)
        return self._at if until is None else min(until, self._at)


def waiting_on(sock: socket.socket) -> int:
    """Connections that are complete and not accepted; 0 where the system does not count them, as for unix sockets."""
    if sock.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return 0
    try:
        information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.stop)
    except OSError:
        return 0
    return int.from_bytes(information[_UNACKED], sys.byteorder)
