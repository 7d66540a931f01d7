"""The fields that every response has by the settings."""

from __future__ import annotations

import pytest

from hybrid.http1.response import Prefixes, header_line
from hybrid.settings import Settings


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (Settings(date_header=False), b"server: hybrid\r\n"),
        (Settings(date_header=False, server_header=False), b""),
        (Settings(date_header=False, response_headers=("X-A: b", "X-C: ")), b"server: hybrid\r\nX-A: b\r\nX-C: \r\n"),
        (Settings(date_header=False, response_headers=("Server: mine",)), b"Server: mine\r\n"),
    ],
)
def test_settings_say_which(settings: Settings, fields: bytes) -> None:
    assert Prefixes.from_settings(settings).of(200) == b"HTTP/1.1 200 OK\r\n" + fields


def test_they_stay_where_the_application_gives_date_and_server_itself() -> None:
    prefixes = Prefixes.from_settings(Settings(response_headers=("X-A: b",)))
    without_date = prefixes.yielding(prefixes.of(200), header_line("Date", "x")[1])
    assert prefixes.yielding(without_date, header_line("Server", "x")[1]) == b"HTTP/1.1 200 OK\r\nX-A: b\r\n"
