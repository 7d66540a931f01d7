"""The Flask application, made by its factory, on every worker class."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.bodies import BLOCK, SIZE, blocks, digest, digest_of
from tests.integration.server import EXAMPLES, WAIT_S, Server


@pytest.fixture
def browser(flask: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=flask.url, timeout=WAIT_S) as client:
        yield client


def test_factory_argument_reaches_the_application(browser: httpx.Client) -> None:
    assert "<h1>Shop</h1>" in browser.get("/").text


def test_cookie_session_and_form(browser: httpx.Client) -> None:
    assert "1 visits, signed in as nobody" in browser.get("/").text
    answer = browser.post("/sign-in", data={"name": "Ada"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert "2 visits, signed in as Ada" in browser.get("/").text


def test_upload_of_50_mb_with_a_length_arrives_whole(browser: httpx.Client) -> None:
    answer = browser.put("/upload", content=b"".join(blocks()))
    assert answer.json() == {"size": SIZE, "sha256": digest()}


def test_upload_of_50_mb_in_chunks_arrives_whole(browser: httpx.Client) -> None:
    assert browser.put("/upload", content=blocks()).json() == {"size": SIZE, "sha256": digest()}


def test_form_with_a_file_arrives_whole(browser: httpx.Client) -> None:
    attachment = ("a.bin", io.BytesIO(BLOCK * 16))
    answer = browser.post("/form", data={"title": "sixteen"}, files={"attachment": attachment})
    assert answer.json()["size"] == len(BLOCK) * 16
    assert answer.json()["sha256"] == digest(len(BLOCK) * 16)


def test_download_of_50_mb_arrives_whole(browser: httpx.Client) -> None:
    with browser.stream("GET", "/download") as answer:
        assert digest_of(answer.iter_raw()) == digest()


def test_real_file_is_sent_through_the_file_wrapper(browser: httpx.Client) -> None:
    source = (EXAMPLES / "flask_app" / "main.py").read_bytes()
    answer = browser.get("/source")
    assert answer.content == source
    assert answer.headers["content-length"] == str(len(source))


def test_file_without_a_descriptor_is_sent_through_the_file_wrapper(browser: httpx.Client) -> None:
    assert browser.get("/memory-file").content == BLOCK


def test_view_that_fails_is_a_500_and_the_worker_serves_on(browser: httpx.Client, flask: Server) -> None:
    assert browser.get("/error").status_code == 500
    flask.log.wait("RuntimeError: this view fails on purpose")
    assert browser.get("/hello").text == "Hello, World!"
