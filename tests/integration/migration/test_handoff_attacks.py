"""Clients that would have their requests served where, or as what, they are not; and servers that run out of means."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.migration.test_handoff import Site, get, is_unavailable, post, said, stopped
from tests.integration.server import WAIT_S
from tests.integration.workers.wire import Client

PAIRS = [("sync", "asgi"), ("asgi", "sync"), ("gthread", "asgi")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("pair"))
    made.start(*request.param, options=("--route", "/drawn=a:1,b:0", "--route", "/both=a:50,b:50"))
    yield made
    made.close()


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_a_request_in_a_body_is_no_request(pair: Site, way: str) -> None:
    client = pair.connect(way[0])
    inner = get(f"/{way[0]}/smuggled")
    client.send(post(f"/{way[1]}/up", inner) + get(f"/{way[0]}/next"))
    found = said(client.hear())
    assert (found[0], found[2], found[3]) == (way[1], f"/{way[1]}/up", str(len(inner)))
    assert said(client.hear())[2] == f"/{way[0]}/next"
    client.end()
    assert client.rest() == b""


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_a_length_beside_chunks_is_refused_wherever_it_is_read(pair: Site, way: str) -> None:
    """The worker that hands a request over and the one that gets it must agree where it ends."""
    client = pair.connect(way[0])
    client.send(post(f"/{way[1]}/up", None, "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
    client.send(get(f"/{way[1]}/smuggled"))
    assert client.hear().status == 400
    assert client.is_closed


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_bytes_behind_a_handed_request_that_are_no_request_are_refused_after_it(pair: Site, way: str) -> None:
    client = pair.connect(way[0])
    client.send(get(f"/{way[1]}/1") + b"\x00\x01 nonsense\r\n\r\n")
    assert said(client.hear())[2] == f"/{way[1]}/1"
    assert client.hear().status == 400
    assert client.is_closed


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_who_was_promised_to_go_on_and_says_something_else_gets_no_second_answer_for_it(pair: Site, way: str) -> None:
    client = pair.connect(way[0])
    body = get("/x")[:18]
    client.send(post(f"/{way[1]}/up", None, f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert client.hear().status == 100
    client.send(body + get(f"/{way[0]}/next"))
    assert said(client.hear())[3] == str(len(body))
    assert said(client.hear())[2] == f"/{way[0]}/next"


@pytest.mark.parametrize(
    "cookie",
    ["hybrid_pool=b", "hybrid_pool=nowhere", "hybrid_pool=", "hybrid_pool=" + "b." * 3000 + "b",
     "hybrid_pool=../../b", "xhybrid_pool=b", "hybrid_pool=\x80\xff", "hybrid_pool=b; hybrid_pool=b"],
)  # fmt: skip
def test_no_cookie_leads_to_a_pool_without_weight(pair: Site, cookie: str) -> None:
    client = pair.connect("b")
    for _ in range(3):
        client.send(get("/drawn")[:-2] + b"Cookie: " + cookie.encode("latin-1") + b"\r\n\r\n")
        assert said(client.hear())[0] == "a"


@pytest.mark.parametrize("cookie", ["nowhere", "", "a" * 5000, ".".join(["x"] * 3000), "a\x80"])
def test_a_forged_cookie_is_drawn_anew_and_what_is_set_is_no_longer_than_the_pools(pair: Site, cookie: str) -> None:
    client = pair.connect()
    client.send(get("/both")[:-2] + b"Cookie: hybrid_pool=" + cookie.encode("latin-1") + b"\r\n\r\n")
    heard = client.hear()
    pool = said(heard)[0]
    assert heard.headers["set-cookie"].startswith(f"hybrid_pool={pool};")
    assert len(heard.headers["set-cookie"]) < 200


@pytest.mark.parametrize("path", ["/a/marks", "/b/marks"])
@pytest.mark.parametrize("name", ["X-Hybrid-Shadow", "x-hybrid-shadow", "X-HYBRID-SHADOW", "X_Hybrid_Shadow"])
def test_a_client_cannot_say_that_its_request_is_a_copy(pair: Site, path: str, name: str) -> None:
    for pool in "ab":
        client = pair.connect(pool)
        for _ in range(3):  # the same fields again may be known from before
            assert said(client.ask(get(path, f"{name}: 1", "X-Other: 2")))[2] == "none"


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync")])
def test_hundreds_that_want_a_dead_pool_are_all_told_and_cost_the_other_nothing(site: Site, a: str, b: str) -> None:
    site.start(a, b, options=("--handoff-timeout", "1", "--handoff-queue", "8", "--timeout", "60"))
    bystander = site.connect("a")
    pid = stopped(site, "b")
    (site.folder / "broken-b").touch()
    clients = [Client(socket.create_connection(("127.0.0.1", site.server.port), WAIT_S)) for _ in range(400)]
    try:
        for client in clients:
            client.send(get("/b/x"))
        assert said(bystander.ask(get("/a/x")))[0] == "a"
        os.kill(pid, signal.SIGKILL)
        assert all(is_unavailable(client.hear()) for client in clients)
    finally:
        for client in clients:
            client.socket.close()
    for _ in range(5):
        assert said(bystander.ask(get("/a/x")))[0] == "a"


def _with_a(site: Site) -> Client:
    """A connection that is with pool a.

    One that a worker of b has accepted may not get there: of a user without privileges the kernel lets no more
    descriptors be on their way than its process may have open, and here that is next to none.
    """
    for _ in range(20):
        client = site.connect()
        heard = client.ask(get("/a/here"))
        if heard.status == 200:
            assert said(heard)[0] == "a"
            return client
    raise AssertionError(f"no connection got to pool a: {heard}")


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync"), ("asgi", "gthread")])
def test_who_comes_when_there_is_no_descriptor_left_is_answered_all_the_same(site: Site, a: str, b: str) -> None:
    """The kernel closes what a process has no descriptor for, and the client would never hear of it."""
    options = ("--handoff-timeout", "1", "--timeout", "60", "--keep-alive", "60")
    (site.folder / "few-b").touch()
    site.start(a, b, options=options)
    heard: Counter[int] = Counter()
    clients = []
    for number in range(40):
        client = _with_a(site)
        client.send(post(f"/b/{number}", bytes(40_000 if number % 2 else 10)))
        clients.append(client)
    for client in clients:
        heard[client.hear().status] += 1
    assert heard.keys() <= {200, 503}
    assert heard[200] >= 1
    for client in clients:
        client.socket.close()
    assert said(_with_a(site).ask(get("/b/x")))[0] == "b"
