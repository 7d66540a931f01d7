"""How much of anything a client may send, and for how long. Bytes and seconds; 0 means no limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hybrid.settings import Settings

_UNLIMITED = (1 << 63) - 1
"""As much as any length that is let through anyway: Content-Length and chunk sizes are no more. It fits in 64 bits."""

MOST_PIECES: Final = 64
"""In which a body waits: a client may send two bytes at a time, and an object for each takes twenty times as much."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one listener, with "none" already turned into a number too large to reach."""

    request_line: int = 8190
    fields: int = 100
    field_size: int = 8190
    head: int = 65536
    body: int = _UNLIMITED
    pipelined: int = 64

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        return cls(
            request_line=_limit(settings.limit_request_line),
            fields=_limit(settings.limit_request_fields),
            field_size=_limit(settings.limit_request_field_size),
            head=_limit(settings.limit_request_head),
            body=_limit(settings.limit_request_body),
            pipelined=_limit(settings.limit_pipelined),
        )


def _limit(setting: int) -> int:
    return min(setting or _UNLIMITED, _UNLIMITED)
