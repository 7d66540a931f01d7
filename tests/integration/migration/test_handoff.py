"""Requests that belong to another pool than the connection they come on: they get there, and nothing else changes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server import WAIT_S, Server, clean_environ
from tests.integration.workers.wire import Client, Heard, get, post

HERE = Path(__file__).parent
APPS = {"sync": "wsgi", "gthread": "wsgi", "gevent": "wsgi", "asgi": "asgi"}
PAIRS = [("sync", "asgi"), ("asgi", "sync"), ("gthread", "asgi"), ("gevent", "sync"), ("asgi", "asgi")]


class Site:
    """A server with the pools `a` and `b`: /a/... is served by the one, /b/... by the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(HERE / "handoff_app.py", folder)
        self.server: Server = None  # type: ignore[assignment]  # `start` comes first
        self._clients: list[Client] = []

    def start(
        self, a: str = "sync", b: str = "asgi", *, options: tuple[str, ...] = (), a_more="", b_more="", ready=2
    ) -> Server:  # type: ignore[no-untyped-def]
        pools = []
        for name, kind, more in (("a", a, a_more), ("b", b, b_more)):
            text = f"{name}=handoff_app:{APPS[kind]},class={kind},raw_env=POOL={name}"
            pools += ["--pool", f"{text},{more}" if more else text]
        routes = ["--route", "/a/*=a", "--route", "/b/*=b"]
        self.server = Server([*pools, *routes, *options], self.folder)
        self.server.wait_ready(ready)
        return self.server

    def connect(self, pool: str = "") -> Client:
        """A connection; with the pool, one that is with a worker of this pool now."""
        client = Client(socket.create_connection(("127.0.0.1", self.server.port), WAIT_S))
        self._clients.append(client)
        if pool:
            assert said(client.ask(get(f"/{pool}/here")))[0] == pool
        return client

    def pid(self, pool: str) -> int:
        return int(said(self.connect().ask(get(f"/{pool}/pid")))[1])

    def close(self) -> None:
        for client in self._clients:
            client.socket.close()
        if self.server is not None:
            self.server.destroy()


def said(heard: Heard) -> list[str]:
    assert heard.status == 200, heard
    return heard.body.decode().split(" ")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("pair"))
    made.start(*request.param)
    yield made
    made.close()


# -- one connection, two pools -----------------------------------------------------------------------


def test_a_kept_connection_goes_to_and_fro(pair: Site) -> None:
    client = pair.connect()
    for number in range(50):
        for pool in "ab":
            found = said(client.ask(get(f"/{pool}/{number}")))
            assert (found[0], found[2]) == (pool, f"/{pool}/{number}")


def test_pipelined_requests_are_answered_in_order(pair: Site) -> None:
    client = pair.connect()
    order = "abbabaabba"
    client.send(b"".join(get(f"/{pool}/{number}") for number, pool in enumerate(order)))
    assert [said(client.hear())[2] for _ in order] == [f"/{pool}/{number}" for number, pool in enumerate(order)]


def test_pipelined_requests_that_come_byte_by_byte(pair: Site) -> None:
    client = pair.connect("a")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in get("/b/1") + get("/a/2") + get("/b/3"):
        client.send(bytes([byte]))
    assert [said(client.hear())[2] for _ in range(3)] == ["/b/1", "/a/2", "/b/3"]


@pytest.mark.parametrize("way", ["ab", "ba"])
@pytest.mark.parametrize("size", [1, 3000, 70_000, 300_000, 10_000_000])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["counted", "chunked"])
def test_a_body_under_way_arrives_whole(pair: Site, way: str, size: int, is_chunked: bool) -> None:
    client = pair.connect(way[0])
    body = os.urandom(size)
    if is_chunked:
        pieces = [body[at : at + 50_001] for at in range(0, size, 50_001)]
        content = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        request = post(f"/{way[1]}/up", None, "Transfer-Encoding: chunked") + content
    else:
        request = post(f"/{way[1]}/up", body)
    sending = threading.Thread(target=client.send, args=(request + get(f"/{way[0]}/next"),))
    sending.start()
    found = said(client.hear())
    assert found[0] == way[1]
    assert found[3:5] == [str(size), hashlib.sha256(body).hexdigest()[:16]]
    assert said(client.hear())[2] == f"/{way[0]}/next"
    sending.join()


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_who_waits_for_100_continue_gets_it_once(pair: Site, way: str) -> None:
    client = pair.connect(way[0])
    client.send(post(f"/{way[1]}/up", None, "Content-Length: 5", "Expect: 100-continue"))
    assert client.hear().status == 100
    client.send(b"hello" + get(f"/{way[0]}/next"))
    assert said(client.hear())[3] == "5"
    assert said(client.hear())[2] == f"/{way[0]}/next"


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_who_has_said_all_is_still_answered(pair: Site, way: str) -> None:
    client = pair.connect(way[0])
    client.send(get(f"/{way[1]}/1") + get(f"/{way[0]}/2") + get(f"/{way[1]}/3"))
    client.end()
    assert [said(client.hear())[2] for _ in range(3)] == [f"/{way[1]}/1", f"/{way[0]}/2", f"/{way[1]}/3"]
    assert client.is_closed


def test_the_client_is_the_client(pair: Site) -> None:
    client = pair.connect()
    host, port = client.socket.getsockname()
    for pool in "abab":
        assert said(client.ask(get(f"/{pool}/who")))[5] == f"{host}:{port}"


def test_a_malformed_body_is_refused_where_it_is_read(pair: Site) -> None:
    client = pair.connect("a")
    client.send(post("/b/up", None, "Transfer-Encoding: chunked") + b"zz\r\n")
    assert client.hear().status == 400
    assert client.is_closed


def test_a_connection_that_shall_close_closes_behind_the_answer(pair: Site) -> None:
    for way in ("ab", "ba"):
        client = pair.connect(way[0])
        assert said(client.ask(get(f"/{way[1]}/last", "Connection: close")))[0] == way[1]
        assert client.is_closed


def test_websocket_upgrade_is_served_by_the_pool_that_can(site: Site) -> None:
    site.start("sync", "asgi")
    client = site.connect("a")
    key = base64.b64encode(bytes(16)).decode()
    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    frame = b"\x81\x85\0\0\0\0hello"
    client.send(get("/anywhere", *fields) + frame)  # the first pool serves no WebSocket, so it is for the other
    head = client.hear()
    assert head.status == 101
    client.send(b"\x88\x80\0\0\0\0")
    assert client.rest()[2:9] == b"b hello"


# -- facts -------------------------------------------------------------------------------------------


def test_facts_of_the_proxy_protocol_survive(site: Site) -> None:
    site.start(options=("--proxy-protocol", "v1", "--proxy-allow-from", "127.0.0.1"))
    client = site.connect()
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n")
    for pool in "abba":
        assert said(client.ask(get(f"/{pool}/who")))[5] == "203.0.113.9:4711"


def test_unix_socket(site: Site) -> None:
    site.start(options=("--bind", f"unix:{site.folder}/site.sock"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT_S)
        sock.connect(f"{site.folder}/site.sock")
        client = Client(sock)
        for pool in "abbaab":
            assert said(client.ask(get(f"/{pool}/x")))[0] == pool


def test_the_cookie_is_set_once_and_honoured(site: Site) -> None:
    site.start(options=("--route", "/*=a:50,b:50"))
    seen = set()
    for _ in range(12):
        client = site.connect("a")
        first = client.ask(get("/drawn"))
        pool = said(first)[0]
        seen.add(pool)
        cookie = first.headers["set-cookie"]
        assert cookie.startswith(f"hybrid_pool={pool};")
        for _ in range(3):
            again = client.ask(get("/drawn", f"Cookie: {cookie.partition(';')[0]}"))
            assert said(again)[0] == pool
            assert "set-cookie" not in again.headers
    assert seen == {"a", "b"}


def test_only_a_trusted_peer_forces_a_pool(site: Site) -> None:
    site.start(options=("--forwarded-allow-ips", "127.0.0.1"))
    client = site.connect("a")
    assert said(client.ask(get("/a/x", "X-Hybrid-Pool: b")))[0] == "b"
    assert said(client.ask(get("/a/x", "X-Hybrid-Pool: a")))[0] == "a"
    assert client.ask(get("/a/x", "X-Hybrid-Pool: nowhere")).status == 400
    assert client.is_closed


def test_anybody_else_does_not(site: Site) -> None:
    site.start(options=("--forwarded-allow-ips", "192.0.2.1"))
    client = site.connect("a")
    assert said(client.ask(get("/a/x", "X-Hybrid-Pool: b")))[0] == "a"
    assert said(client.ask(get("/b/x", "X-Hybrid-Pool: nowhere")))[0] == "b"


# -- a pool that cannot ------------------------------------------------------------------------------


def stopped(site: Site, pool: str) -> int:
    pid = site.pid(pool)
    os.kill(pid, signal.SIGSTOP)
    return pid


def is_unavailable(heard: Heard) -> bool:
    return heard.status == 503 and heard.headers["retry-after"] == "1" and heard.headers["connection"] == "close"


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync")])
def test_a_full_queue_is_answered_503_and_what_waits_in_it_is_served_later(site: Site, a: str, b: str) -> None:
    site.start(a, b, options=("--handoff-queue", "2", "--timeout", "60"))
    clients = [site.connect("a") for _ in range(4)]
    pid = stopped(site, "b")
    for client in clients:
        client.send(get("/b/x"))
    refused = [client for client in clients if _has_answer(client)]
    assert len(refused) == 2
    for client in refused:
        assert is_unavailable(client.hear())
        assert client.is_closed
    os.kill(pid, signal.SIGCONT)
    for client in clients:
        if client not in refused:
            assert said(client.hear())[0] == "b"


def _has_answer(client: Client) -> bool:
    """Within a second: who is refused is refused at once."""
    client.socket.settimeout(1.0)
    try:
        return bool(client.socket.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        client.socket.settimeout(WAIT_S)


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync")])
def test_a_pool_whose_first_worker_is_still_starting_is_waited_for(site: Site, a: str, b: str) -> None:
    held = site.folder / "held-b"
    held.touch()
    site.start(a, b, ready=1, options=("--handoff-timeout", "60"))
    client = site.connect("a")
    client.send(get("/b/x"))
    assert not _has_answer(client)
    held.unlink()
    assert said(client.hear())[0] == "b"


def test_a_full_queue_is_stood_in_for_by_the_fallback(site: Site) -> None:
    site.start(options=("--handoff-queue", "1", "--timeout", "60"), b_more="fallback=a")
    clients = [site.connect("a") for _ in range(3)]
    pid = stopped(site, "b")
    for client in clients:
        client.send(get("/b/x"))
    assert sum(_has_answer(client) for client in clients) == 2
    os.kill(pid, signal.SIGCONT)
    assert sorted(said(client.hear())[0] for client in clients) == ["a", "a", "b"]


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "gthread")])
def test_who_waits_for_a_pool_that_hangs_is_told_when_the_time_is_over(site: Site, a: str, b: str) -> None:
    site.start(a, b, options=("--handoff-timeout", "0.5", "--timeout", "60"))
    clients = [site.connect("a") for _ in range(5)]
    pid = stopped(site, "b")
    for client in clients:
        client.send(get("/b/x"))
    for client in clients:
        assert is_unavailable(client.hear())
    os.kill(pid, signal.SIGCONT)
    assert said(site.connect("a").ask(get("/b/x")))[0] == "b"


@pytest.mark.parametrize("fallback", [False, True], ids=["alone", "fallback"])
@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync")])
def test_nobody_is_lost_when_all_workers_of_the_pool_die(site: Site, a: str, b: str, fallback: bool) -> None:
    more = "fallback=a" if fallback else ""
    site.start(a, b, options=("--handoff-timeout", "1", "--timeout", "60"), b_more=more)
    clients = [site.connect("a") for _ in range(6)]
    pid = stopped(site, "b")
    for client in clients[:3]:
        client.send(get("/b/queued"))
    (site.folder / "broken-b").touch()
    os.kill(pid, signal.SIGKILL)
    site.server.log.wait(rf"Worker \(pid: ?{pid}\)")
    for client in clients[3:]:
        client.send(get("/b/late"))
    for client in clients:
        heard = client.hear()
        assert said(heard)[0] == "a" if fallback else is_unavailable(heard)
    assert said(site.connect().ask(get("/a/x")))[0] == "a"  # which had nothing of it


def test_a_worker_killed_in_a_request_takes_only_that_one_along(site: Site) -> None:
    site.start("asgi", "sync")
    victim, queued, bystander = site.connect("a"), site.connect("a"), site.connect("a")
    pid = site.pid("b")
    victim.send(get("/b/wait"))
    _wait_for(site.folder / "begun")
    queued.send(get("/b/x"))
    assert said(bystander.ask(get("/a/x")))[0] == "a"
    os.kill(pid, signal.SIGKILL)
    assert victim.rest() == b""
    assert said(queued.hear())[0] == "b"  # by the next worker
    assert said(bystander.ask(get("/a/x")))[0] == "a"


def _wait_for(path: Path) -> None:
    waiting = threading.Event()
    for _ in range(int(WAIT_S / 0.005)):
        if path.exists():
            return
        waiting.wait(0.005)
    raise AssertionError(f"{path} did not come")


# -- changes of the server ---------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("asgi", "sync"), ("sync", "gthread")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "reload"])
def test_what_is_queued_at_a_stop_or_reload_is_answered(site: Site, a: str, b: str, number: signal.Signals) -> None:
    site.start(a, b, options=("--timeout", "60"))
    clients = [site.connect("a") for _ in range(5)]
    pid = stopped(site, "b")
    for client in clients:
        client.send(get("/b/queued"))
    assert not any(_has_answer(client) for client in clients[:1])
    site.server.send(number)
    site.server.log.wait("Handling signal")
    if number is signal.SIGHUP:
        site.server.wait_ready(4)
    os.kill(pid, signal.SIGCONT)
    for client in clients:
        assert said(client.hear())[0] == "b"
    if number is signal.SIGTERM:
        assert site.server.wait_exit() == 0


@pytest.mark.parametrize(("a", "b"), [("sync", "asgi"), ("gevent", "gthread")])
def test_ten_thousand_hand_offs_leave_nothing_behind(site: Site, a: str, b: str) -> None:
    site.start(a, b)
    client = site.connect("a")
    assert said(client.ask(get("/b/x")))[0] == "b"
    pids = {site.pid("a"), site.pid("b"), site.server.pid}
    others = [site.connect("a") for _ in range(3)]
    client.ask(get("/a/x"))
    before = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in pids}
    batch = (get("/b/x") + get("/a/x")) * 10
    for _ in range(500):
        client.send(batch)
        for _ in range(20):
            client.hear()
    assert said(client.ask(get("/a/x")))[0] == "a"
    assert all(len(os.listdir(f"/proc/{pid}/fd")) <= before[pid] for pid in pids)
    assert len(others) == 3


def test_one_connection_is_one_connection_wherever_it_is(site: Site) -> None:
    site.start("sync", "sync", a_more="worker_connections=3", b_more="worker_connections=3")
    clients = [site.connect("a") for _ in range(3)]
    for _ in range(5):
        for pool in "ba":
            for client in clients:
                assert said(client.ask(get(f"/{pool}/x")))[0] == pool
    for _ in range(100):  # counters are told a few times a second
        told = _workers(site)
        if sum(one["requests"] for one in told) >= 33:
            break
    assert sorted(one["requests"] for one in told) == [15, 18]  # each where it was answered
    assert sorted(one["connections"] for one in told) == [0, 3]


def _workers(site: Site) -> list[dict[str, int]]:
    command = [sys.executable, "-m", "hybrid", "workers", "--json", "--pid", str(site.server.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S, env=clean_environ())
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found
