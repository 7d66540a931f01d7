"""--loop-lag-warning: the log names the line that blocks the event loop, while it blocks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server

HERE = Path(__file__).parent


@pytest.fixture(params=["uvloop", "asyncio"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Callable[..., Server]:
    def begin(*options: str) -> Server:
        return serve("slow_app:asgi_app", "-k", "asgi", "--loop", request.param, *options, folder=HERE)

    return begin


@pytest.mark.parametrize(("path", "function"), [("/nap?1.5", "nap"), ("/spin?1.5", "spin")])
def test_the_blocking_line_and_its_route_are_named_while_it_blocks(
    start: Callable[..., Server], path: str, function: str
) -> None:
    server = start()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.get, path)
        line = rf"Event loop: blocked for 0\.\d+ s so far at .*slow_app\.py:\d+ in {function}, serving GET {path[:5]}"
        server.log.wait(line)
        assert not answer.done()
        assert answer.result().status == 200


def test_a_line_that_blocks_again_is_not_repeated(start: Callable[..., Server]) -> None:
    server = start()
    for _ in range(3):
        assert server.get("/nap?0.5").status == 200
    assert server.log.text.count("Event loop: blocked") == 1


def test_a_stopped_process_is_no_alarm(start: Callable[..., Server]) -> None:
    server = start()
    (worker,) = server.wait_ready()
    for _ in range(3):
        os.kill(worker, signal.SIGSTOP)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(server.get, "/")
            with pytest.raises(TimeoutError):
                answer.result(0.7)
            os.kill(worker, signal.SIGCONT)
            assert answer.result().status == 200
    assert server.get("/wait?0.5").status == 200
    assert "Event loop: blocked" not in server.log.text
