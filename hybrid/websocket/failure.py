"""What makes a server fail a WebSocket connection."""

from __future__ import annotations

from hybrid.errors import HybridError


class Failure(HybridError):
    """The client broke a rule or a limit: it is told `code` and `reason` in a Close frame. RFC 6455 section 7.1.7."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
