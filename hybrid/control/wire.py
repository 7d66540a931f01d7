"""The language of the control socket: one JSON object per line, both ways. Pure.

A client sends one request, `{"command": "reload", "wait": true}`. The arbiter answers with any number of
`{"type": "progress", "text": ...}` and then one `{"type": "done", "ok": ..., "text": ..., ...}`, and closes. A stop
has no other end than the end of the connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 64 * 1024
"""The longest request; whoever sends more is cut off."""


def encode(message: Mapping[str, object]) -> bytes:
    """The line for one message, newline included."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of one line. Raises ValueError for what is no JSON object."""
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


class Lines:
    """Bytes in, complete lines out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines

    @property
    def pending(self) -> int:
        """How many bytes wait for the end of their line."""
        return len(self._rest)
