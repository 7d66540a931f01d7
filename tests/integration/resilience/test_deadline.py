"""--timeout: one meaning on every worker class, and what is done to a request that is over it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server

HERE = Path(__file__).parent
CLASSES = {
    "sync": ("slow_app:wsgi_app", "-k", "sync"),
    "gthread": ("slow_app:wsgi_app", "-k", "gthread", "--threads", "2"),
    "gevent": ("slow_app:wsgi_app", "-k", "gevent"),
    "asgi-wsgi": ("slow_app:wsgi_app", "-k", "asgi"),
    "asgi": ("slow_app:asgi_app", "-k", "asgi"),
    "asgi-asyncio": ("slow_app:asgi_app", "-k", "asgi", "--loop", "asyncio"),
}
Start = Callable[..., Server]


@pytest.fixture
def start(serve: Serve) -> Start:
    def begin(kind: str, *options: str) -> Server:
        server = serve(*CLASSES[kind], "--timeout", "0.5", *options, folder=HERE)
        server.wait_ready()
        return server

    return begin


ENDED = [
    *(("sync", path) for path in ("/nap?50", "/spin?50")),
    *(("gthread", path) for path in ("/nap?1.1", "/spin?50")),
    *(("gevent", path) for path in ("/nap?50", "/spin?50")),
    *(("asgi-wsgi", path) for path in ("/nap?1.1", "/spin?50")),
    *(("asgi", path) for path in ("/wait?50", "/nap?50", "/spin?50", "/lock?50")),
    *(("asgi-asyncio", path) for path in ("/nap?50", "/spin?50")),
]


@pytest.mark.parametrize(("kind", "path"), ENDED)
def test_a_request_over_its_deadline_is_ended_and_answered_504(start: Start, kind: str, path: str) -> None:
    server = start(kind)
    pid = int(server.get("/").body)
    assert server.get(path).status == 504
    name = path.partition("?")[0]
    server.log.wait(
        rf"Request deadline: GET {re.escape(path)} client=127\.0\.0\.1:\d+ ran for .*slow_app\.py:\d+ in \w+"
    )
    if name in ("/nap", "/wait"):
        server.log.wait("app: left the ")
    assert int(server.get("/").body) == pid, "the worker serves on"
    assert "cannot be ended" not in server.log.text
    assert server.stop() == 0


NOT_ENDED = [
    ("sync", "/stuck?20"),
    ("sync", "/stubborn?20"),
    ("gthread", "/stuck?20"),
    ("gthread", "/nap?20"),
    ("gthread", "/stubborn?20"),
    ("gevent", "/stubborn?20"),
    ("gevent", "/stuck?20"),
    ("gevent", "/stubborn-spin?20"),
    ("asgi-wsgi", "/stuck?20"),
    ("asgi-wsgi", "/stubborn?20"),
    ("asgi", "/stubborn-wait?20"),
    ("asgi", "/stubborn?20"),
    ("asgi", "/stuck?20"),
    ("asgi-asyncio", "/stuck?20"),
]


@pytest.mark.parametrize(("kind", "path"), NOT_ENDED)
def test_one_that_cannot_be_ended_is_answered_504_and_the_worker_replaced(start: Start, kind: str, path: str) -> None:
    server = start(kind, "--graceful-timeout", "1")
    first = int(server.get("/").body)
    assert server.get(path).status == 504
    server.log.wait(rf"Request deadline: GET {re.escape(path)} .* cannot be ended after .* asking for a successor")
    server.log.wait(rf"Replacing worker \(pid: {first}\)")
    second = server.wait_ready(2)[1]
    server.wait_gone(first)
    assert int(server.get("/").body) == second


@pytest.mark.parametrize(("kind", "path"), [("gthread", "/nap?20"), ("asgi-wsgi", "/nap?20"), ("asgi", "/wait?20")])
def test_its_neighbours_in_the_worker_finish(start: Start, kind: str, path: str) -> None:
    server = start(kind, "--graceful-timeout", "3")
    with ThreadPoolExecutor() as pool:
        streams = pool.submit(server.get, "/stream?20")
        slow = pool.submit(server.get, path)
        assert slow.result().status == 504
        assert streams.result().body == b"x" * 20


@pytest.mark.parametrize("kind", CLASSES)
def test_a_response_that_has_begun_has_no_deadline(start: Start, kind: str) -> None:
    server = start(kind)
    assert server.get("/stream?12").body == b"x" * 12
    assert "deadline" not in server.log.text


@pytest.mark.parametrize(("kind", "options"), [("gthread", ("--threads", "1")), ("asgi-wsgi", ("--sync-threads", "1"))])
def test_waiting_for_a_thread_is_no_part_of_it(start: Start, kind: str, options: tuple[str, ...]) -> None:
    """Three requests of 0.4 s in one thread, with a time-out of 0.5 s."""
    server = start(kind, *options)
    with ThreadPoolExecutor(3) as pool:
        assert [answer.status for answer in pool.map(server.get, ["/nap?0.4"] * 3)] == [200] * 3
    assert "deadline" not in server.log.text


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent", "asgi-wsgi", "asgi", "asgi-asyncio"])
def test_the_log_shows_the_applications_frames_only(start: Start, kind: str) -> None:
    server = start(kind)
    server.get("/spin?50")
    line = server.log.wait(r"Request deadline: GET /spin\?50 .*being ended; .*")[0]
    server.log.wait("app: spinning")
    frames = server.log.text[line.end() :].splitlines()
    first = next(frame for frame in frames if frame.startswith("  File "))
    assert "slow_app.py" in first, first


@pytest.mark.parametrize("kind", CLASSES)
def test_timeout_zero_is_no_deadline(serve: Serve, kind: str) -> None:
    server = serve(*CLASSES[kind], "--timeout", "0", folder=HERE)
    path = "/wait?0.3" if kind == "asgi" else "/nap?0.3"
    assert server.get(path).status == 200


def test_a_worker_that_stays_silent_is_aborted_with_its_stacks_and_replaced(start: Start) -> None:
    server = start("sync")
    first = int(server.get("/").body)
    assert server.get("/stubborn?60").status == 504
    server.log.wait(rf"WORKER TIMEOUT \(pid:{first}\) .*GET /stubborn\?60")
    server.log.wait(r'File ".*slow_app\.py", line \d+ in stubborn')
    assert int(server.get("/").body) == server.wait_ready(2)[1]
    assert server.stop() == 0
