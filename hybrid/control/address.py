"""Where an arbiter listens for commands. Pure.

By default in the abstract namespace of unix sockets: no file that could be left behind, lie in a folder that is
not writable, or be taken over by a second instance. The name has user and pid in it, so that the arbiters
of a user can be listed without asking any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

OFF = "off"
"""The value of the setting `control_socket` that switches it off."""


def abstract_name(uid: int, pid: int) -> str:
    """The address, as `socket.bind` wants it."""
    return f"\0hybrid/{uid}/{pid}"


def arbiters_of(uid: int, table: Iterable[str]) -> list[int]:
    """The pids of this user's arbiters, from the lines of /proc/net/unix; ascending.

    Only listening sockets count: each connection to one has a line with the same name.
    """
    pids = set()
    for line in table:
        fields = line.split()
        if len(fields) < 8 or fields[3] != _LISTENING:
            continue
        found = re.fullmatch(rf"@hybrid/{uid}/(\d+)", fields[7])
        if found:
            pids.add(int(found[1]))
    return sorted(pids)


_LISTENING = "00010000"
"""The flag __SO_ACCEPTCON in that table."""
