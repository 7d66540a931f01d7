"""Large bodies and their digests, made once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

BLOCK = bytes(range(256)) * 256  # what the examples' download views repeat
SIZE = 50 * 1024 * 1024


def blocks(size: int = SIZE) -> Iterator[bytes]:
    for start in range(0, size, len(BLOCK)):
        yield BLOCK[: size - start]


@cache
def digest(size: int = SIZE) -> str:
    """SHA-256 of what `blocks(size)` gives."""
    return digest_of(blocks(size))


def digest_of(parts: Iterator[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
