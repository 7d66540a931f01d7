"""Whether a connection would be served sooner by a sibling: what the scoreboard says of the others in the pool."""

from __future__ import annotations

from typing import Final

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word

_READY: Final = 2
"""See hybrid_workers.child.Stage."""
_SPARE_ROWS: Final = 16
SILENT_S: Final = 1.0
"""A sibling that has not beaten for so long is not waited for."""


class Balance:
    """One per worker."""

    def __init__(self, context: WorkerContext) -> None:
        rows = context.row.others(4 * context.pool_size + _SPARE_ROWS) if context.pool_size > 1 else ()
        self._siblings = [(words, words.cast("B").cast("d")) for words in rows]

    def has_room(self, now: float) -> bool:
        """A sibling is ready, alive and not busy."""
        return any(
            words[Word.STAGE] == _READY
            and words[Word.ACTIVE] < words[Word.CAPACITY]
            and floats[Word.BEAT] > now - SILENT_S
            for words, floats in self._siblings
        )
