"""One answer for all that fails."""

from __future__ import annotations

import pytest

from hybrid.errors import ProtocolError
from hybrid.http1.apology import FAILED, LATE, apology
from hybrid.http1.response import Prefixes, Response
from tests.unit.wsgi.requests import request


@pytest.mark.parametrize(
    ("error", "content"),
    [
        (FAILED, b"500 Internal Server Error: the application failed\n"),
        (LATE, b"504 Gateway Timeout: the application did not answer in time\n"),
        (ProtocolError(408, "the body came too slowly"), b"408 Request Timeout: the body came too slowly\n"),
    ],
)
def test_it_says_what_happened_and_closes(error: ProtocolError, content: bytes) -> None:
    response = Response(request(), Prefixes(server=b"hybrid"))
    answer = apology(response, error)
    assert answer.startswith(b"HTTP/1.1 " + content.split(b":")[0] + b"\r\n")
    assert b"connection: close\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\n" + content)
    assert response.is_complete


def test_head_gets_no_content() -> None:
    response = Response(request("HEAD / HTTP/1.1"), Prefixes(server=b"hybrid"))
    assert apology(response, FAILED).endswith(b"\r\n\r\n")
