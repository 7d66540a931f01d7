"""The template of a release (`--preload`): what the arbiter and that process say to each other.

The template is a copy of the first worker of a release, made when the application had just been imported. It
does nothing but make further workers from itself. An order is one JSON line with two descriptors, those of the new
worker's channel and black box; the new worker answers on its own channel (`Started`). The end of the
connection is the end of the template.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hybrid.contract.scoreboard import ScoreRow

if TYPE_CHECKING:
    from hybrid.contract.traffic import TrafficRow


class Order(NamedTuple):
    """One worker to make."""

    slot: int
    pool_size: int
    ordered_at: float
    """Monotonic."""


class Seat(NamedTuple):
    """What the first worker of a release needs to leave a template behind."""

    socket: socket.socket
    """Becomes the template's: the worker closes it."""
    row: Callable[[int], ScoreRow]
    """The scoreboard's row of a slot."""
    traffic: Callable[[int], TrafficRow | None]
    """Where the worker in a slot counts by route; None where nobody counts."""


def send_order(sock: socket.socket, order: Order, channel: int, box: int) -> None:
    """Raises OSError when the template is gone, or so far behind that its socket is full."""
    socket.send_fds(sock, [json.dumps(order._asdict()).encode() + b"\n"], [channel, box])


def receive_order(sock: socket.socket) -> tuple[Order, int, int] | None:
    """The next order, with the descriptors of channel and black box, which are ours now. None at the end. Blocks."""
    data, fds, _, _ = socket.recv_fds(sock, 4096, 2)
    if not data:
        return None
    channel, box = fds
    return Order(**json.loads(data)), channel, box
