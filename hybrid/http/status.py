"""Reason phrases, and which statuses have no content."""

from __future__ import annotations

from http import HTTPStatus

PHRASES: dict[int, bytes] = {status.value: status.phrase.encode() for status in HTTPStatus}


def phrase(status: int) -> bytes:
    """The reason phrase of a status; b"" for one without a registered phrase."""
    return PHRASES.get(status, b"")


def has_no_content(status: int) -> bool:
    """1xx, 204 and 304 end with the head. RFC 9112 section 6.3."""
    return status < 200 or status in (204, 304)
