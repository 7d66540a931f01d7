"""How much of anything a client may send, and for how long. Bytes and seconds; 0 means no limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hybrid.settings import Settings

_UNLIMITED = 1 << 63
"""More than any length that is let through anyway: Content-Length and chunk sizes are below it."""

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
            request_line=settings.limit_request_line or _UNLIMITED,
            fields=settings.limit_request_fields or _UNLIMITED,
            field_size=settings.limit_request_field_size or _UNLIMITED,
            head=settings.limit_request_head or _UNLIMITED,
            body=settings.limit_request_body or _UNLIMITED,
            pipelined=settings.limit_pipelined or _UNLIMITED,
        )
