"""What the machine has to listen on."""

from __future__ import annotations

import socket


def has_ipv6() -> bool:
    """Somebody can listen on ::1; in many a container nobody can."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
