"""The Django project on every worker class that can serve it, as a browser and a script use it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.bodies import BLOCK, SIZE, blocks, digest, digest_of
from tests.integration.server import WAIT_S, Server


@pytest.fixture
def browser(django: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=django.url, timeout=WAIT_S) as client:
        yield client


def csrf_token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def log_in(browser: httpx.Client) -> httpx.Response:
    page = browser.get("/admin/login/?next=/admin/")
    form = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": csrf_token(page), "next": "/admin/"}
    return browser.post("/admin/login/", data=form)


def test_page_is_served(browser: httpx.Client) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert "<h1>Guestbook</h1>" in page.text
    assert page.headers["content-length"] == str(len(page.content))


def test_head_has_the_headers_of_get_and_no_body(browser: httpx.Client) -> None:
    head = browser.head("/hello/")
    assert head.content == b""
    assert head.headers["content-length"] == "13"
    assert browser.get("/hello/").content == b"Hello, World!"


def test_form_with_its_token_is_saved_and_shown(browser: httpx.Client) -> None:
    token = csrf_token(browser.get("/"))
    answer = browser.post("/", data={"name": "Zoë", "message": "grüße 你好", "csrfmiddlewaretoken": token})
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert "<b>Zoë</b> grüße 你好" in browser.get("/").text


def test_form_without_its_token_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/", data={"name": "x", "message": "y"}).status_code == 403


def test_session_counts_for_each_client_alone(browser: httpx.Client, django: Server) -> None:
    assert [browser.get("/visits/").json()["visits"] for _ in range(3)] == [1, 2, 3]
    with httpx.Client(base_url=django.url, timeout=WAIT_S) as other:
        assert other.get("/visits/").json()["visits"] == 1


def test_admin_login_leads_to_the_admin(browser: httpx.Client) -> None:
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
    assert "Site administration" in browser.get("/admin/").text


def test_admin_adds_an_entry(browser: httpx.Client) -> None:
    log_in(browser)
    token = csrf_token(browser.get("/admin/guestbook/entry/add/"))
    form = {"name": "from the admin", "message": "hello", "csrfmiddlewaretoken": token}
    answer = browser.post("/admin/guestbook/entry/add/", data=form)
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/guestbook/entry/")
    assert "from the admin" in browser.get("/admin/guestbook/entry/").text


def test_admin_is_closed_to_strangers(browser: httpx.Client) -> None:
    assert browser.get("/admin/").headers["location"] == "/admin/login/?next=/admin/"


def test_upload_of_50_mb_with_a_length_arrives_whole(browser: httpx.Client) -> None:
    answer = browser.put("/upload/", content=b"".join(blocks()))
    assert answer.json() == {"size": SIZE, "sha256": digest()}


def test_upload_in_chunks_arrives_whole_where_django_reads_it(
    browser: httpx.Client, request: pytest.FixtureRequest
) -> None:
    # Over WSGI, Django reads as much as Content-Length says. A body that the server has whole before it calls Django
    # has one; gevent waits for the first megabyte only. Of a longer one Django reads nothing there, and the server must
    # then find the next request on the connection behind a body that nobody read.
    is_read_whole = "gevent" not in request.node.name
    for size, is_read in ((len(BLOCK), True), (SIZE if is_read_whole else 32 * len(BLOCK), is_read_whole)):
        answer = browser.put("/upload/", content=blocks(size))
        assert answer.request.headers["transfer-encoding"] == "chunked"
        assert answer.json()["size"] == (size if is_read else 0)
        assert answer.json()["sha256"] == digest(size if is_read else 0)
    assert browser.get("/hello/").content == b"Hello, World!"


def test_form_with_a_file_of_50_mb_arrives_whole(browser: httpx.Client) -> None:
    attachment = ("big.bin", io.BytesIO(b"".join(blocks())))
    answer = browser.post("/form-upload/", data={"title": "big"}, files={"attachment": attachment})
    assert answer.json() == {"title": "big", "filename": "big.bin", "size": SIZE, "sha256": digest()}


@pytest.mark.parametrize("way", ["stream", "file"])
def test_download_of_50_mb_arrives_whole(browser: httpx.Client, way: str) -> None:
    with browser.stream("GET", f"/download/{way}/") as answer:
        assert answer.status_code == 200
        if way == "file":
            assert answer.headers["content-length"] == str(SIZE)
        assert digest_of(answer.iter_raw()) == digest()
    assert browser.get("/hello/").status_code == 200


def test_small_file_download_is_exact(browser: httpx.Client) -> None:
    assert browser.get("/download/file/?size=1000").content == BLOCK[:1000]


def test_empty_download_is_empty(browser: httpx.Client) -> None:
    assert browser.get("/download/stream/?size=0").content == b""
    assert browser.get("/hello/").content == b"Hello, World!"


def test_async_view_answers(browser: httpx.Client, request: pytest.FixtureRequest) -> None:
    if "gevent" in request.node.name:
        pytest.skip("fails under gunicorn's gevent worker too: Django takes the whole thread for asynchronous code")
    assert "entries" in browser.get("/async/").json()


def test_view_that_fails_is_a_500_and_the_worker_serves_on(browser: httpx.Client, django: Server) -> None:
    assert browser.get("/error/").status_code == 500
    django.log.wait("RuntimeError: this view fails on purpose")
    assert browser.get("/hello/").status_code == 200


def test_requests_share_one_connection(browser: httpx.Client) -> None:
    browser.get("/hello/")
    answer = browser.get("/hello/")
    assert "connection" not in answer.headers or answer.headers["connection"] == "keep-alive"
