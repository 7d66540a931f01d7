"""A request goes to a worker that can begin with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve

HERE = Path(__file__).parent


@pytest.mark.parametrize("options", [("-k", "sync"), ("-k", "gthread", "--threads", "1")], ids=["sync", "gthread"])
def test_two_requests_at_once_never_meet_in_one_of_two_workers(serve: Serve, options: tuple[str, ...]) -> None:
    server = serve("slow_app:wsgi_app", *options, "-w", "2", folder=HERE)
    server.wait_ready(2)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(25):
            pids = [answer.body for answer in pool.map(server.get, ["/nap?0.15"] * 2)]
            assert len(set(pids)) == 2
