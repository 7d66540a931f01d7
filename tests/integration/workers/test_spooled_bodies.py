"""Bodies that come slowly: on every class that has few threads for the application, with one thread only."""

from __future__ import annotations

import hashlib
import os
import select
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server
from tests.integration.workers.wire import Client, get, post

HERE = Path(__file__).parent
CLASSES = {
    "sync": ("-k", "sync"),
    "gthread": ("-k", "gthread", "--threads", "1"),
    "bridge": ("-k", "asgi", "--sync-threads", "1"),
}
SIZE = 1_000_000
BODY = os.urandom(SIZE)

Start = Callable[..., Server]


@pytest.fixture(params=CLASSES)
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """`start("--option", ...)`: one worker with one thread, ready."""

    def begin(*options: str) -> Server:
        server = serve("wsgi_app:app", "-w", "1", *CLASSES[request.param], *options, folder=HERE)
        server.wait_ready()
        return server

    return begin


def clients(server: Server, stack: ExitStack, count: int) -> list[Client]:
    return [Client(stack.enter_context(server.connected())) for _ in range(count)]


def is_answered_at_once(server: Server) -> bool:
    return server.get("/", timeout=1.0).body == b"hello"


@pytest.mark.parametrize("framing", ["counted", "chunked"])
def test_a_slow_body_holds_up_nobody_and_comes_whole(start: Start, framing: str) -> None:
    server = start()
    with ExitStack() as stack:
        slow = clients(server, stack, 5)
        for client in slow:
            if framing == "counted":
                client.send(post("/digest", None, f"Content-Length: {SIZE}"))
                client.send(BODY[:500_000])
            else:
                client.send(post("/digest", None, "Transfer-Encoding: chunked"))
                client.send(b"%x\r\n%b\r\n%x\r\n" % (500_000, BODY[:500_000], 500_000))
        for at in range(500_000, 500_010):  # a byte now and then, with others served meanwhile
            for client in slow:
                client.send(BODY[at : at + 1])
            assert is_answered_at_once(server)
        for client in slow:
            client.send(BODY[500_010:])
            if framing == "chunked":
                client.send(b"\r\n0\r\n\r\n")
            assert client.hear().body.decode() == hashlib.sha256(BODY).hexdigest()
            assert client.ask(get("/")).body == b"hello"  # and the connection goes on


def test_a_body_waits_in_a_file_without_a_name_that_goes_with_it(start: Start, tmp_path: Path) -> None:
    server = start("--tmp-upload-dir", str(tmp_path), "--spool-memory", "0")
    (pid,) = server.wait_ready()
    with ExitStack() as stack:
        client, reader = clients(server, stack, 2)
        client.send(post("/digest", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        while not spooled(pid, tmp_path):
            assert reader.ask(get("/")).status == 200
        assert os.listdir(tmp_path) == []
        client.send(BODY[500_000:])
        assert client.hear().body.decode() == hashlib.sha256(BODY).hexdigest()
        assert not spooled(pid, tmp_path)
        client.send(post("/refuse", BODY))  # does not read it
        assert client.hear().status == 413
        assert client.ask(get("/")).status == 200
        assert not spooled(pid, tmp_path)
        client.send(post("/digest", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        while not spooled(pid, tmp_path):
            assert reader.ask(get("/")).status == 200
        client.reset()
        while spooled(pid, tmp_path):
            assert reader.ask(get("/")).status == 200


def test_a_body_waits_in_memory_as_long_as_there_is_room_for_it(start: Start, tmp_path: Path) -> None:
    """Each may take a sixteenth: 100,000 bytes here."""
    server = start("--tmp-upload-dir", str(tmp_path), "--spool-memory", "1600000", "--body-buffer", "10000")
    (pid,) = server.wait_ready()
    with ExitStack() as stack:
        client, reader = clients(server, stack, 2)
        for size, is_in_file in [(90_000, False), (200_000, True), (90_000, False)]:
            client.send(post("/echo", None, f"Content-Length: {size}") + BODY[: size - 1])
            for _ in range(3):
                assert reader.ask(get("/")).status == 200
            while is_in_file and not spooled(pid, tmp_path):
                assert reader.ask(get("/")).status == 200
            assert bool(spooled(pid, tmp_path)) is is_in_file
            client.send(BODY[size - 1 : size])
            assert client.hear().body == BODY[:size]


def test_many_slow_bodies_take_no_more_memory_than_there_is_for_them(start: Start, tmp_path: Path) -> None:
    """A hundred of a megabyte, all but whole."""
    server = start("--tmp-upload-dir", str(tmp_path), "--spool-memory", "4M")
    (pid,) = server.wait_ready()
    with ExitStack() as stack:
        (reader,) = clients(server, stack, 1)
        assert reader.ask(post("/digest", BODY)).status == 200
        before = resident(pid)
        slow = clients(server, stack, 100)
        for client in slow:
            client.send(post("/digest", None, f"Content-Length: {SIZE}") + BODY[:-1])
            assert reader.ask(get("/")).status == 200
        while spooled(pid, tmp_path) < 95:
            assert reader.ask(get("/")).status == 200
        assert resident(pid) - before < (4 << 20) + 100 * 65536
        for client in slow:
            client.send(BODY[-1:])
            assert client.hear().body.decode() == hashlib.sha256(BODY).hexdigest()


def resident(pid: int) -> int:
    """Bytes of memory that the process has."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spooled(pid: int, folder: Path) -> int:
    """How many files in the folder the process has open, however little they are called."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith(str(folder))
        except FileNotFoundError:  # closed meanwhile
            pass
    return found


def test_a_body_that_the_application_did_not_get_is_not_given_to_the_next_request(start: Start) -> None:
    """The server itself answers a request with a body: what was kept of it must not precede the next body."""
    server = start("--ready-path", "/ready")
    asking = post("/ready", BODY[:200_000]).replace(b"POST", b"GET", 1)
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        assert client.ask(asking).body == b"200 OK: ready\n"
        for body in (b"small", BODY[500_000:]):
            assert client.ask(post("/echo", body)).body == body


@pytest.mark.parametrize("size", [0, 5, 100_000, SIZE])
def test_a_chunked_body_that_is_whole_has_a_length(start: Start, size: int) -> None:
    """Django reads no body without one."""
    server = start("--spool-memory", "3200000")
    chunk = b"%x\r\n%b\r\n" % (size, BODY[:size]) if size else b""
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        for _ in range(2):
            client.send(post("/counted", None, "Transfer-Encoding: chunked") + chunk + b"0\r\n\r\n")
            assert client.hear().body == b"%d" % size
            assert client.ask(get("/")).body == b"hello"


def test_limits_and_framing_hold_while_a_body_is_spooled(start: Start) -> None:
    server = start("--limit-request-body", "300000")
    chunk = b"8000\r\n" + b"c" * 0x8000 + b"\r\n"
    with ExitStack() as stack:
        endless, malformed, short = clients(server, stack, 3)
        endless.send(post("/pass_on", None, "Transfer-Encoding: chunked") + chunk * 10)
        assert endless.hear().status == 413
        malformed.send(post("/pass_on", None, "Transfer-Encoding: chunked") + chunk * 8 + b"zz\r\n")
        assert malformed.hear().status == 400
        short.send(post("/pass_on", None, "Content-Length: 300000") + b"x" * 200_000)
        short.end()
        assert short.rest()[9:12] in (b"400", b"")
        assert is_answered_at_once(server)


def test_a_body_beyond_the_limit_of_the_spool_is_read_as_it_comes(start: Start) -> None:
    server = start("--spool-limit", "200000", "--spool-memory", "0", "--body-buffer", "50000")
    with ExitStack() as stack:
        client, other = clients(server, stack, 2)
        client.send(post("/refuse", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        assert client.hear().status == 413  # while it still sends
        assert other.ask(post("/digest", BODY)).body.decode() == hashlib.sha256(BODY).hexdigest()
        assert other.ask(get("/")).body == b"hello"


def test_a_full_disk_is_507_and_said(start: Start) -> None:
    server = start("--env", "FULL_DISK=1", "--spool-memory", "0")
    with ExitStack() as stack:
        client, other = clients(server, stack, 2)
        client.send(post("/digest", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        assert client.hear().status == 507
        server.log.wait("A request body could not be stored in .*: File too large; answering 507")
        assert other.ask(post("/echo", b"small")).body == b"small"


def test_the_time_for_a_request_begins_with_the_application(start: Start) -> None:
    """What the body took neither counts nor is given on top."""
    server = start("--timeout", "1")
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        client.send(post("/nap?60", None, "Content-Length: 100000") + b"x" * 70_000)
        until = monotonic() + 3.0
        while monotonic() < until:
            client.send(b"x")
            assert server.get("/", timeout=5.0).status == 200
            select.select([], [], [], 0.05)
        client.send(b"x" * 30_000)
        assert client.hear().status == 504
        (ran,) = server.log.wait(r"Request deadline: POST /nap\?60 client=\S+ ran for (\d+\.\d) s")
        assert 1.0 <= float(ran[1]) < 3.0


def test_off_calls_the_application_at_once(start: Start) -> None:
    server = start("--spool-bodies", "off")
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        client.send(post("/refuse", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        assert client.hear().status == 413


def test_with_gevent_a_body_streams_from_its_second_megabyte_on(serve: Serve) -> None:
    """Nobody waits for it, but a call under way costs memory: small bodies are not to begin one early."""
    server = serve("wsgi_app:app", "-w", "1", "-k", "gevent", folder=HERE)
    server.wait_ready()
    with ExitStack() as stack:
        small, large, whole = clients(server, stack, 3)
        small.send(post("/refuse", None, f"Content-Length: {SIZE}") + BODY[:-1])
        large.send(post("/refuse", None, f"Content-Length: {3 * SIZE}") + BODY + BODY)
        assert large.hear().status == 413
        assert is_answered_at_once(server)
        assert not select.select([small.socket], [], [], 0)[0]
        small.send(BODY[-1:])
        assert small.hear().status == 413
        whole.send(post("/digest", None, f"Content-Length: {3 * SIZE}") + BODY)
        whole.send(BODY + BODY)
        assert whole.hear().body.decode() == hashlib.sha256(BODY * 3).hexdigest()


def test_readers_of_what_is_written_hold_up_nobody_and_get_it_whole(start: Start) -> None:
    """What the application gives to write(): it waits in a file."""
    server = start()
    with ExitStack() as stack:
        slow = clients(server, stack, 3)
        for client in slow:
            client.send(get("/write"))
        for _ in range(5):
            assert server.get("/", timeout=10.0).body == b"hello"  # not after --write-timeout
        for client in slow:
            assert client.hear().body == b"y" * 16384 * 1000 + b"z"
            assert client.ask(get("/")).body == b"hello"


# -- 100-continue -----------------------------------------------------------------------------------------------

ASKING = ("Expect: 100-continue", f"Content-Length: {SIZE}")


def test_auto_sends_100_when_the_application_reads(start: Start) -> None:
    server = start()
    with ExitStack() as stack:
        reading, refused = clients(server, stack, 2)
        assert refused.ask(post("/refuse", None, *ASKING)).status == 413
        assert reading.ask(post("/digest", None, *ASKING)).status == 100
        reading.send(BODY)
        assert reading.hear().body.decode() == hashlib.sha256(BODY).hexdigest()


def test_a_client_that_asks_and_then_says_nothing_holds_up_others_once_and_not_for_long(start: Start) -> None:
    server = start()
    with ExitStack() as stack:
        silent = clients(server, stack, 10)
        for client in silent:
            client.send(post("/digest", None, *ASKING))
        assert server.get("/", timeout=5.0).body == b"hello"
        server.log.wait("from now on this worker asks such clients first")
        assert is_answered_at_once(server)
        (quick,) = clients(server, stack, 1)
        assert quick.ask(post("/digest", None, *ASKING)).status == 100
        quick.send(BODY[:-1])
        assert is_answered_at_once(server)
        quick.send(BODY[-1:])
        assert quick.hear().body.decode() == hashlib.sha256(BODY).hexdigest()


def test_while_the_thread_waits_for_one_client_all_others_are_asked_first(start: Start) -> None:
    """However many there are: each would have the thread for a moment."""
    server = start()
    with ExitStack() as stack:
        silent = clients(server, stack, 100)
        for client in silent:
            client.send(post("/digest", None, *ASKING))
        assert is_answered_at_once(server)
        assert sorted(client.hear().status for client in silent[:50])[1:] == [100] * 49
        assert is_answered_at_once(server)


def test_who_asks_and_sends_much_at_once_has_no_more_time_for_the_rest(start: Start) -> None:
    server = start()
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        assert client.ask(post("/digest", None, *ASKING)).status == 100
        client.send(BODY[:500_000])
        for _ in range(3):
            assert is_answered_at_once(server)
        assert client.hear().status == 408


def test_who_asks_may_take_its_time_while_nobody_else_comes(start: Start) -> None:
    server = start()
    with ExitStack() as stack:
        (client,) = clients(server, stack, 1)
        assert client.ask(post("/digest", None, *ASKING)).status == 100
        assert not select.select([client.socket], [], [], 1.0)[0]
        client.send(BODY)
        assert client.hear().body.decode() == hashlib.sha256(BODY).hexdigest()


def test_slow_bodies_for_which_there_is_no_room_hold_up_nobody(start: Start) -> None:
    server = start("--spool-limit", "200000", "--spool-memory", "0", "--body-buffer", "50000")
    with ExitStack() as stack:
        for client in clients(server, stack, 5):
            client.send(post("/digest", None, f"Content-Length: {SIZE}") + BODY[:500_000])
        for _ in range(3):
            assert is_answered_at_once(server)
        server.log.wait("An upload for which there was no room .* it is answered 408")


def test_on_sends_100_before_the_application_is_called(start: Start) -> None:
    server = start("--spool-bodies", "on")
    with ExitStack() as stack:
        silent = clients(server, stack, 10)
        for client in silent:
            assert client.ask(post("/refuse", None, *ASKING)).status == 100
        assert is_answered_at_once(server)
        silent[0].send(BODY)
        assert silent[0].hear().status == 413
