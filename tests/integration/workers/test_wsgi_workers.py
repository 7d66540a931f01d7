"""The WSGI workers as real processes: what they do with clients and applications that are slow, odd or gone."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import Serve
from tests.integration.server import Server
from tests.integration.workers.wire import Client, get, post

HERE = Path(__file__).parent
CLASSES = {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "2"), "gevent": ("-k", "gevent")}

Connect = Callable[[], Client]


@pytest.fixture(params=CLASSES)
def start(request: pytest.FixtureRequest, serve: Serve) -> Callable[..., Server]:
    """`start("--keep-alive", "1")`: the application of these tests on one worker, ready."""

    def begin(*options: str) -> Server:
        server = serve("wsgi_app:app", *CLASSES[request.param], *options, folder=HERE)
        server.wait_ready()
        return server

    return begin


@pytest.fixture(scope="module", params=CLASSES)
def shared(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server([*CLASSES[request.param], "wsgi_app:app"], HERE)
    server.wait_ready()
    yield server
    server.destroy()


@pytest.fixture
def connect(shared: Server) -> Iterator[Connect]:
    """Connections to a server that these tests share."""
    before = len(shared.log.text)
    with ExitStack() as stack:
        yield lambda: Client(stack.enter_context(shared.connected()))
    print(shared.log.text[before:][-8000:])


def connections_to(server: Server, stack: ExitStack) -> Connect:
    return lambda: Client(stack.enter_context(server.connected()))


# -- connections ------------------------------------------------------------------------------------------------


def test_a_connection_serves_many_requests(connect: Connect) -> None:
    client = connect()
    assert [client.ask(get("/")).body for _ in range(3)] == [b"hello"] * 3


def test_requests_sent_ahead_are_answered_in_order(connect: Connect) -> None:
    client = connect()
    client.send(get("/") + post("/echo", b"second") + get("/fail") + get("/"))
    assert [client.hear().body for _ in range(2)] == [b"hello", b"second"]
    assert client.hear().status == 500
    assert client.is_closed


def test_a_request_that_says_close_is_the_last(connect: Connect) -> None:
    client = connect()
    answer = client.ask(get("/", "Connection: close"))
    assert answer.headers["connection"] == "close"
    assert client.is_closed


def test_http_1_0_is_closed_unless_it_asks_for_more(connect: Connect) -> None:
    client = connect()
    assert client.ask(get("/", version="1.0")).body == b"hello"
    assert client.is_closed
    client = connect()
    for _ in range(2):
        answer = client.ask(get("/", "Connection: keep-alive", version="1.0"))
        assert answer.headers["connection"] == "keep-alive"


@pytest.mark.parametrize("path", ["/", "/stream?n=20"])
def test_a_client_that_ends_its_sending_still_gets_its_answer(connect: Connect, path: str) -> None:
    client = connect()
    client.send(get(path))
    client.end()
    assert client.hear().status == 200
    assert client.is_closed


def test_a_head_that_comes_byte_by_byte(connect: Connect) -> None:
    client = connect()
    for byte in get("/"):
        client.send(bytes([byte]))
    assert client.hear().body == b"hello"


def test_a_malformed_request_is_told_why_and_nothing_after_it_is_read(connect: Connect, shared: Server) -> None:
    client = connect()
    client.send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n" + get("/"))
    assert client.hear().status == 400
    assert client.is_closed
    shared.log.wait(r"Invalid request from ip=127\.0\.0\.1: 400 ")


def test_keep_alive_zero_closes_after_each_answer(start: Callable[..., Server]) -> None:
    with start("--keep-alive", "0").connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).headers["connection"] == "close"
        assert client.is_closed


def test_an_idle_connection_is_closed_after_keep_alive(start: Callable[..., Server]) -> None:
    with start("--keep-alive", "0.3").connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).status == 200
        assert client.is_closed


def test_a_client_that_never_speaks_is_closed(start: Callable[..., Server]) -> None:
    with start("--first-byte-timeout", "0.3").connected() as sock:
        assert Client(sock).is_closed


def test_a_head_that_does_not_end_is_408(start: Callable[..., Server]) -> None:
    with start("--header-timeout", "0.3").connected() as sock:
        client = Client(sock)
        assert client.ask(b"GET / HTTP/1.1\r\nHost:").status == 408
        assert client.is_closed


def test_more_requests_ahead_than_allowed_end_the_connection(start: Callable[..., Server]) -> None:
    with start("--limit-pipelined", "3").connected() as sock:
        client = Client(sock)
        client.send(get("/") * 20)
        for _ in range(4):  # the one being answered, and three ahead
            assert client.hear().status == 200
        assert client.is_closed


def test_over_the_concurrency_limit_a_request_is_503(start: Callable[..., Server]) -> None:
    with ExitStack() as stack:
        connect = connections_to(start("--limit-concurrency", "1"), stack)
        reader = connect()
        reader.send(get("/stream"))  # never read to its end, so it stays under way
        reader.socket.recv(1)
        answer = connect().ask(get("/"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    server = serve("wsgi_app:app", "-k", "sync", "--bind", f"unix:{path}", folder=HERE)
    server.wait_ready()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        assert b"REMOTE_ADDR=" in Client(sock).ask(get("/facts")).body


# -- bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 65537, 3_000_000])
def test_a_body_of_any_size_comes_whole(connect: Connect, size: int) -> None:
    body = os.urandom(size)
    client = connect()
    client.send(post("/echo", body))
    assert client.hear().body == body
    assert client.ask(get("/")).body == b"hello"


@pytest.mark.parametrize("count", [1, 10, 5000])
def test_a_chunked_body_comes_whole(connect: Connect, count: int) -> None:
    client = connect()
    chunk = b"1f\r\n" + b"c" * 31 + b"\r\n"
    client.send(post("/length", None, "Transfer-Encoding: chunked") + chunk * count + b"0\r\n\r\n")
    assert client.hear().body == b"%d" % (31 * count)
    assert client.ask(get("/")).status == 200


def test_lines_of_a_body(connect: Connect) -> None:
    assert connect().ask(post("/lines", b"a\nb\nc")).body == b"a\n|b\n|c"


def test_a_body_that_comes_in_pieces(connect: Connect) -> None:
    client = connect()
    client.send(post("/echo", None, "Content-Length: 6"))
    for piece in (b"ab", b"cd", b"ef"):
        client.send(piece)
    assert client.hear().body == b"abcdef"


def test_a_client_that_expects_100_gets_it_when_the_application_reads(connect: Connect) -> None:
    client = connect()
    assert client.ask(post("/echo", None, "Content-Length: 4", "Expect: 100-continue")).status == 100
    client.send(b"body")
    assert client.hear().body == b"body"


def test_a_client_that_expects_100_is_refused_without_it(connect: Connect) -> None:
    client = connect()
    answer = client.ask(post("/refuse", None, "Content-Length: 4", "Expect: 100-continue"))
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_an_early_refusal_reaches_a_client_that_is_still_sending(start: Callable[..., Server]) -> None:
    with start("--spool-bodies", "off").connected() as sock:
        _see_an_early_refusal(Client(sock))


def _see_an_early_refusal(client: Client) -> None:
    client.send(post("/refuse", None, "Content-Length: 3000000") + b"x" * 100_000)
    for _ in range(29):
        client.send(b"x" * 100_000)  # a reset would break this, and lose the answer
    answer = client.hear()
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_body_cut_short_is_400_before_the_application_is_called(connect: Connect) -> None:
    client = connect()
    client.send(post("/pass_on", None, "Content-Length: 10") + b"half")
    client.end()
    assert client.hear().status == 400


def test_a_large_body_cut_short_is_an_error_to_the_application(start: Callable[..., Server]) -> None:
    server = start("--spool-bodies", "off")
    with ExitStack() as stack:
        connect = connections_to(server, stack)
        client = connect()
        client.send(post("/swallow", None, "Content-Length: 300000") + b"x" * 100_000)
        client.end()
        assert client.hear().status == 200
        server.log.wait("body broken: 400 the body ended early")
        client = connect()
        client.send(post("/pass_on", None, "Content-Length: 300000") + b"x" * 100_000)
        client.end()
        assert client.hear().status == 400


@pytest.mark.parametrize("spooled", ["on", "off"])
@pytest.mark.parametrize("sent", [10, 100_000])
def test_a_silent_body_is_408(start: Callable[..., Server], sent: int, spooled: str) -> None:
    with start("--body-timeout", "0.3", "--spool-bodies", spooled).connected() as sock:
        client = Client(sock)
        client.send(post("/pass_on", None, "Content-Length: 300000") + b"x" * sent)
        assert client.hear().status == 408
        assert client.is_closed


def test_a_malformed_chunk_far_into_a_body_is_400(connect: Connect) -> None:
    client = connect()
    chunk = b"1000\r\n" + b"c" * 4096 + b"\r\n"
    client.send(post("/pass_on", None, "Transfer-Encoding: chunked") + chunk * 40 + b"zz\r\n")
    assert client.hear().status == 400


# -- answers ----------------------------------------------------------------------------------------------------


def test_a_stream_comes_whole(connect: Connect) -> None:
    assert connect().ask(get("/stream?n=300")).body == b"x" * 16384 * 300


def test_write_comes_whole(connect: Connect) -> None:
    assert connect().ask(get("/write")).body == b"y" * 16384 * 1000 + b"z"


@pytest.mark.parametrize("offset", [0, 4097])
def test_a_file_comes_whole(connect: Connect, offset: int) -> None:
    client = connect()
    expected = client.ask(get(f"/checksum?{offset}")).body
    answer = client.ask(get(f"/file?{offset}"))
    assert int(answer.headers["content-length"]) == len(answer.body) == 24 * (1 << 20) - offset
    assert hashlib.sha256(answer.body).hexdigest().encode() == expected
    assert client.ask(get("/")).body == b"hello"


def test_slow_readers_do_not_stop_the_worker(connect: Connect) -> None:
    readers = [connect() for _ in range(4)]
    for reader, path in zip(readers, ["/stream", "/stream?n=400", "/file", "/file?9"], strict=True):
        reader.send(get(path))
        reader.socket.recv(1)
    assert connect().ask(get("/")).body == b"hello"


def test_a_parked_stream_goes_on_in_its_thread_and_context_and_is_closed_there(
    connect: Connect, shared: Server
) -> None:
    first, second = connect(), connect()
    first.send(get("/stream?first=600", "Connection: close"))
    first.socket.recv(1)
    second.send(get("/stream?second=600", "Connection: close"))
    second.socket.recv(1)
    assert second.rest().endswith(b"0\r\n\r\n")
    assert first.rest().endswith(b"0\r\n\r\n")
    shared.log.wait("stream first=600 closed given=600 at home")
    shared.log.wait("stream second=600 closed given=600 at home")
    assert "stream moved" not in shared.log.text


def test_a_reader_that_leaves_ends_its_stream(connect: Connect, shared: Server) -> None:
    client = connect()
    client.send(get("/stream?left=inf"))
    client.socket.recv(1)
    client.reset()
    shared.log.wait(r"stream left=inf closed given=\d+ at home")
    assert connect().ask(get("/")).body == b"hello"


def test_a_reader_that_takes_nothing_is_cut_off(start: Callable[..., Server]) -> None:
    server = start("--write-timeout", "0.5")
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/stream?stalled=inf"))
        sock.recv(1)
        server.log.wait(r"stream stalled=inf closed given=\d+ at home")
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_memory_for_readers_that_do_not_read_is_bounded(start: Callable[..., Server]) -> None:
    server = start()
    (pid,) = server.wait_ready()
    before = resident(pid)
    with ExitStack() as stack:
        connect = connections_to(server, stack)
        readers = [connect() for _ in range(50)]
        for reader in readers:
            reader.send(get("/stream"))
            reader.socket.recv(1)
        assert connect().ask(get("/")).status == 200
        assert resident(pid) - before < 24 << 20


def resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_an_answer_is_not_held_back_while_a_call_waits_for_its_client(start: Callable[..., Server]) -> None:
    server = start("--body-buffer", "1", "--spool-bodies", "off")
    [worker] = server.wait_ready()
    with ExitStack() as stack:
        connect = connections_to(server, stack)
        asking, sending = connect(), connect()
        assert sending.ask(get("/")).status == 200
        # What answers fast is trusted to go on so. The last one served comes first in the next batch: the poller
        # may still have it on its list.
        for _ in range(100):
            assert asking.ask(get("/")).status == 200
        os.kill(worker, signal.SIGSTOP)  # so that both requests are found in one batch
        asking.send(get("/"))
        sending.send(post("/echo", None, "Content-Length: 10") + b"half ")
        os.kill(worker, signal.SIGCONT)
        assert asking.hear().body == b"hello"
        sending.send(b"whole")
        assert sending.hear().body == b"half whole"


def test_plain_answers_that_the_client_does_not_take_at_once_come_whole(start: Callable[..., Server]) -> None:
    server = start("--limit-pipelined", "1000")
    with ExitStack() as stack:
        client = connections_to(server, stack)()
        for _ in range(100):
            assert client.ask(get("/")).status == 200
        for _ in range(3):
            client.send(get("/plain?60000") * 400)
            assert [len(client.hear().body) for _ in range(400)] == [60000] * 400


# -- applications -----------------------------------------------------------------------------------------------


def test_an_exception_is_500_and_logged_once_with_its_request(connect: Connect, shared: Server) -> None:
    client = connect()
    before = len(shared.log.text)
    assert client.ask(get("/fail?why")).status == 500
    shared.log.wait(r"\[ERROR\] Error handling request /fail\?why method=GET client=127\.0\.0\.1:\d+")
    shared.log.wait("ValueError: as it should")
    assert shared.log.text[before:].count("Traceback") == 1


def test_an_exception_half_way_cuts_the_answer(connect: Connect) -> None:
    client = connect()
    client.send(get("/fail_late"))
    with pytest.raises(EOFError):
        client.hear()
    client = connect()
    client.send(get("/fail_late", version="1.0"))
    with pytest.raises(ConnectionResetError):  # without a length only a reset says that something is missing
        client.rest()


def test_sys_exit_of_the_application_does_not_end_the_worker(connect: Connect, shared: Server) -> None:
    assert connect().ask(get("/leave")).status == 500
    assert connect().ask(get("/")).status == 200
    assert len(shared.log.wait(r"Worker ready")) == 1


def test_context_variables_do_not_pass_from_request_to_request(connect: Connect) -> None:
    client = connect()
    assert [client.ask(get("/context")).body for _ in range(3)] == [b"nobody's"] * 3


def test_wsgi_errors_reaches_the_log(connect: Connect, shared: Server) -> None:
    assert connect().ask(get("/errors")).status == 200
    shared.log.wait("^said by the application$")


def test_early_hints(connect: Connect) -> None:
    client = connect()
    assert client.ask(get("/hints")).status == 103
    assert client.hear().body == b"hello"


def test_wsgiref_finds_nothing_wrong(connect: Connect) -> None:
    client = connect()
    assert client.ask(post("/judge", b"body")).body == b"judged body"
    assert client.ask(get("/judge")).body == b"judged "


def test_environ_says_how_it_is_called(start: Callable[..., Server], request: pytest.FixtureRequest) -> None:
    server = start("-w", "2")
    facts = server.get("/facts").body.decode()
    assert f"wsgi.multithread={'sync' not in request.node.name}" in facts
    assert "wsgi.multiprocess=True" in facts
    assert f"SERVER_NAME=127.0.0.1 SERVER_PORT={server.port} REMOTE_ADDR=127.0.0.1" in facts


# -- stopping ---------------------------------------------------------------------------------------------------


def test_a_request_under_way_is_finished_and_the_last_answer_says_close(start: Callable[..., Server]) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/nap?0.5"))
        server.log.wait("napping")
        server.send(signal.SIGTERM)
        answer = client.hear()
        assert (answer.body, client.is_closed) == (b"hello", True)
    assert server.wait_exit() == 0


def test_a_stream_under_way_is_finished_after_term(start: Callable[..., Server]) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/stream?n=800"))
        sock.recv(1)
        server.send(signal.SIGTERM)
        server.log.wait("Handling signal: term")
        assert len(client.rest()) > 800 * 16384
    assert server.wait_exit() == 0


def test_a_connection_that_was_not_told_to_close_may_bring_one_more_request(start: Callable[..., Server]) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        client.send(get("/stream?n=800"))
        sock.recv(1, socket.MSG_PEEK)
        server.send(signal.SIGTERM)
        server.log.wait("Handling signal: term")
        assert "connection" not in client.hear().headers
        answer = client.ask(get("/"))
        assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
    assert server.wait_exit() == 0


def test_stopping_is_bounded_by_graceful_timeout(start: Callable[..., Server]) -> None:
    server = start("--graceful-timeout", "1")
    with server.connected() as sock:
        sock.sendall(get("/stream?n=inf"))
        sock.recv(1)
        assert server.stop() == 0


def test_while_stopping_a_busy_connection_is_answered_and_told_to_close(start: Callable[..., Server]) -> None:
    server = start()
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).status == 200
        server.send(signal.SIGTERM)
        answer = client.ask(get("/"))
        while "connection" not in answer.headers:  # the signal has not reached the worker yet
            answer = client.ask(get("/"))
        assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
        assert client.is_closed
    assert server.wait_exit() == 0


def test_quit_does_not_wait_for_a_reader(start: Callable[..., Server]) -> None:
    server = start()
    with server.connected() as sock:
        sock.sendall(get("/stream?n=inf"))
        sock.recv(1)
        assert server.stop(signal.SIGQUIT) == 0


def test_a_worker_is_replaced_after_max_requests_and_no_request_is_lost(start: Callable[..., Server]) -> None:
    server = start("--max-requests", "5")
    for _ in range(30):
        assert server.get("/").status == 200
    server.log.wait(r"Autorestarting worker after current request")
    server.wait_ready(2)


def test_the_access_log_has_one_line_for_each_request(start: Callable[..., Server]) -> None:
    server = start("--access-logfile", "-", "--access-logformat", "%(h)s %(r)s %(s)s %(B)s %({content-type}o)s")
    assert server.get("/").status == 200
    assert server.get("/stream?n=2").status == 200
    server.log.wait(r"^127\.0\.0\.1 GET / HTTP/1\.1 200 5 text/plain$")
    server.log.wait(r"^127\.0\.0\.1 GET /stream\?n=2 HTTP/1\.1 200 32768 text/plain$")
    assert server.stop() == 0
