"""The FastAPI application: what only an event loop can do, next to what every server must."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.integration.bodies import BLOCK, SIZE, blocks, digest, digest_of
from tests.integration.server import WAIT_S, Server, read_until


@pytest.fixture
def browser(fastapi: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fastapi.url, timeout=WAIT_S) as client:
        yield client


def websocket(server: Server, path: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{path}", open_timeout=WAIT_S, close_timeout=WAIT_S, proxy=None)


def test_json_with_path_and_query(browser: httpx.Client) -> None:
    assert browser.get("/notes/0").json()["title"] == "welcome"
    assert browser.get("/notes", params={"q": "wel"}).json()[0]["text"] == "served from the lifespan state"
    assert browser.get("/notes/99").status_code == 404
    assert browser.get("/notes/x").status_code == 422


def test_background_task_runs_after_the_answer(browser: httpx.Client) -> None:
    assert browser.post("/notes", json={"title": "later"}).status_code == 201
    assert "later" in browser.get("/mailed").json()


def test_form_with_a_file_of_50_mb_arrives_whole(browser: httpx.Client) -> None:
    attachment = ("big.bin", io.BytesIO(b"".join(blocks())))
    answer = browser.post("/form", data={"title": "big"}, files={"attachment": attachment})
    assert answer.json() == {"title": "big", "filename": "big.bin", "size": SIZE, "sha256": digest()}


def test_upload_of_50_mb_with_a_length_arrives_whole(browser: httpx.Client) -> None:
    answer = browser.put("/upload", content=b"".join(blocks()))
    assert answer.json() == {"size": SIZE, "sha256": digest()}


def test_upload_of_50_mb_in_chunks_arrives_whole(browser: httpx.Client) -> None:
    assert browser.put("/upload", content=blocks()).json() == {"size": SIZE, "sha256": digest()}


def test_download_of_50_mb_arrives_whole(browser: httpx.Client) -> None:
    with browser.stream("GET", "/download") as answer:
        assert digest_of(answer.iter_raw()) == digest()


def test_download_smaller_than_a_block_is_exact(browser: httpx.Client) -> None:
    assert browser.get("/download?size=1000").content == BLOCK[:1000]


def test_events_arrive_one_by_one(fastapi: Server) -> None:
    """Each event is on the wire before the next exists: it does not wait for the stream's end."""
    with fastapi.connected() as sock:
        sock.sendall(b"GET /events?count=2&pause=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = read_until(sock, b"data: tick 0\n\n")
    assert b"text/event-stream" in head
    assert b"tick 1" not in head


def test_events_end(browser: httpx.Client) -> None:
    assert browser.get("/events?count=3").text.count("data: tick") == 3


def test_websocket_echoes_text_and_bytes(fastapi: Server) -> None:
    with websocket(fastapi, "/ws/echo") as socket:
        socket.send("grüße")
        assert socket.recv(WAIT_S) == "grüße"
        socket.send(BLOCK)
        assert socket.recv(WAIT_S) == BLOCK


def test_websocket_room_hears_every_member(fastapi: Server) -> None:
    with websocket(fastapi, "/ws/room") as first, websocket(fastapi, "/ws/room") as second:
        assert first.recv(WAIT_S) == "members: 1"
        assert second.recv(WAIT_S) == "members: 2"
        first.send("hello")
        assert first.recv(WAIT_S) == "hello"
        assert second.recv(WAIT_S) == "hello"


def test_websocket_to_an_unknown_path_is_refused(fastapi: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        websocket(fastapi, "/ws/nowhere")
    assert refused.value.response.status_code == 403


def test_slow_request_does_not_stop_others(fastapi: Server) -> None:
    with fastapi.connected() as sock:
        sock.sendall(b"GET /slow?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert fastapi.get("/hello").body == b"Hello, World!"


def test_plain_function_runs_beside_the_loop(browser: httpx.Client) -> None:
    assert browser.get("/blocking?seconds=0.01").json() == {"slept": 0.01}


def test_view_that_fails_is_a_500_and_the_worker_serves_on(browser: httpx.Client, fastapi: Server) -> None:
    assert browser.get("/error").status_code == 500
    fastapi.log.wait("RuntimeError: this view fails on purpose")
    assert browser.get("/hello").status_code == 200
