"""Reason phrases are the same on every Python."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from hybrid.http.status import PHRASES, has_no_content, phrase


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (413, b"Content Too Large"),
        (414, b"URI Too Long"),
        (416, b"Range Not Satisfiable"),
        (422, b"Unprocessable Content"),
        (200, b"OK"),
        (599, b""),
    ],
)
def test_phrases_are_those_that_are_registered(status: int, expected: bytes) -> None:
    assert phrase(status) == expected


def test_every_status_that_python_knows_has_one() -> None:
    assert {status.value for status in HTTPStatus} == set(PHRASES)


def test_interim_ones_204_and_304_have_no_content() -> None:
    assert [status for status in PHRASES if has_no_content(status)] == [100, 101, 102, 103, 204, 304]
