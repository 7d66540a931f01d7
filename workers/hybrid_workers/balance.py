"""Whether a connection would be served better by a sibling: what the scoreboard says of the others in the pool.

Two questions. A request should begin at once, so a worker without a free thread leaves it to one that has some. And a
connection that stays - a WebSocket, a client that keeps it alive - is load for as long as it lasts: it should go to
who holds the fewest, or whoever is quickest today has most of them tomorrow.
"""

from __future__ import annotations

from typing import Final

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid_workers.deadline import BEAT_AHEAD_S

_READY: Final = 2
"""See hybrid_workers.child.Stage."""
_SPARE_ROWS: Final = 16
SILENT_S: Final = 1.0
"""A sibling that has not beaten for so long is not waited for."""
PROMPT_S: Final = 1.0
"""One that was busy with itself for so long is left no connections that merely stay."""
LOOK_S: Final = 0.1
"""How often all rows are looked through for siblings that are ready."""


def is_ahead(mine: int, least: int) -> bool:
    """So many connections more than the sibling with the fewest that it shall have the next. Pure.

    The slack keeps those that come and go within milliseconds from being pushed around for nothing.
    """
    return mine > least + 2 + least // 8


class Balance:
    """One per worker."""

    def __init__(self, context: WorkerContext) -> None:
        rows = context.row.others(4 * context.pool_size + _SPARE_ROWS) if context.pool_size > 1 else ()
        self._siblings = [(words, words.cast("B").cast("d")) for words in rows]
        self._ready = self._siblings
        self._look_at = 0.0

    def has_room(self, now: float) -> bool:
        """A sibling is ready, alive and not busy."""
        return any(
            words[Word.STAGE] == _READY
            and words[Word.ACTIVE] < words[Word.CAPACITY]
            and floats[Word.BEAT] > now - SILENT_S
            for words, floats in self._siblings
        )

    def is_ahead(self, mine: int, now: float) -> bool:
        """This worker, with so many connections, has enough more than a sibling that has room and is prompt."""
        if mine < 3 or not self._siblings:
            return False
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._ready = [sibling for sibling in self._siblings if sibling[0][Word.STAGE] == _READY]
        alive = now + BEAT_AHEAD_S - PROMPT_S
        for words, floats in self._ready:
            if (
                is_ahead(mine, words[Word.CONNECTIONS])
                and words[Word.STAGE] == _READY
                and words[Word.ACTIVE] < words[Word.CAPACITY]
                and floats[Word.BEAT] > alive
            ):
                return True
        return False
