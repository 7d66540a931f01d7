"""The Starlette application with everything left to its defaults."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.bodies import SIZE, blocks, digest, digest_of
from tests.integration.server import EXAMPLES, WAIT_S, Server


@pytest.fixture
def browser(starlette: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=starlette.url, timeout=WAIT_S) as client:
        yield client


def test_auto_chooses_asgi_and_says_so(starlette: Server) -> None:
    starlette.log.wait(r"Worker ready .* worker=asgi interface=asgi")


def test_lifespan_state_is_shared_by_requests(browser: httpx.Client) -> None:
    first = browser.get("/").json()
    second = browser.get("/").json()
    assert second["visits"] == first["visits"] + 1
    assert second["pid"] == first["pid"]


def test_path_parameter_is_decoded(browser: httpx.Client) -> None:
    assert browser.get("/hello/Zo%C3%AB").text == "Hello, Zoë!"


def test_real_file_is_sent_whole(browser: httpx.Client) -> None:
    assert browser.get("/source").content == (EXAMPLES / "starlette_app" / "main.py").read_bytes()


def test_upload_of_50_mb_arrives_whole(browser: httpx.Client) -> None:
    assert browser.put("/upload", content=blocks()).json() == {"size": SIZE, "sha256": digest()}


def test_download_of_50_mb_with_a_length_arrives_whole(browser: httpx.Client) -> None:
    with browser.stream("GET", "/download") as answer:
        assert answer.headers["content-length"] == str(SIZE)
        assert digest_of(answer.iter_raw()) == digest()


def test_events_end(browser: httpx.Client) -> None:
    assert browser.get("/events").text == "data: tick 0\n\ndata: tick 1\n\ndata: tick 2\n\n"


def test_websocket_echoes(starlette: Server) -> None:
    with connect(f"ws://127.0.0.1:{starlette.port}/ws/echo", open_timeout=WAIT_S, proxy=None) as socket:
        socket.send("hello")
        assert socket.recv(WAIT_S) == "hello"
