"""A server of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.abuse.bulk import KINDS, start
from tests.integration.server import Server


@pytest.fixture(params=KINDS)
def bulk(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """`bulk("--option", ...)`: the application that sends and takes a lot."""
    servers: list[Server] = []

    def begin(*options: str) -> Server:
        servers.append(start(request.param, *options))
        return servers[-1]

    yield begin
    for server in servers:
        server.destroy()
