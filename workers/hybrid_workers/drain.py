"""The last accepts of a worker that stops, and the end of its event streams.

A connection in the backlog has been told by the kernel that it is connected. If the last process that listens
closes, it is reset; so the last one takes what waits there before it closes. Any other leaves it to its siblings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word

_READY: Final = 2
"""See hybrid_workers.child.Stage."""
_SPARE_ROWS: Final = 16


def drain_delay(context: WorkerContext) -> float:
    """Seconds to accept on for load balancers that learn late that this server stops. None to wait for when only this
    worker goes: its siblings, or those of the next arbiter, take what comes."""
    return 0.0 if context.row.words[Word.RETIRED] else context.settings.drain_delay


def cut_streams_at(context: WorkerContext, now: float) -> float:
    """When event streams are ended that go on though the worker was told to stop at `now`."""
    settings = context.settings
    return now + drain_delay(context) + min(settings.drain_streams, settings.graceful_timeout / 2)


def is_event_stream(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """By these fields of its response, it ends with the client only."""
    return any(value[:17] == b"text/event-stream" for _, value in fields)


def is_last(context: WorkerContext) -> bool:
    """No sibling is ready that would take what waits in the backlog.

    A worker notes that it drains before it asks, so of two that stop at once at least one is the last.
    """
    for words in context.row.others(4 * context.pool_size + _SPARE_ROWS):
        if words[Word.STAGE] == _READY and _is_alive(words[Word.PID]):
            return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return pid > 0
