"""No deadline is stretched by sending or reading a byte now and then. On every worker class."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import monotonic

import pytest

from tests.integration.abuse.bulk import MB, narrow, watched
from tests.integration.server import WAIT_S, Server
from tests.integration.workers.wire import Client, get

Bulk = Callable[..., Server]
HEAD = b"POST /upload HTTP/1.1\r\nHost: a\r\n"


def drip(server: Server, sock: socket.socket, piece: bytes) -> bytes:
    """Send the piece again and again, with another client served in between, until the server answers or closes."""
    until = monotonic() + WAIT_S
    while monotonic() < until:
        try:
            sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            break
        if select.select([sock], [], [], 0)[0]:
            break
        assert server.get("/", timeout=5.0).status == 200
    else:
        raise AssertionError(f"{piece!r} was taken again and again")
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: "], ids=["line", "field"])
def test_a_head_byte_by_byte_is_408(bulk: Bulk, begun: bytes) -> None:
    server = bulk("--header-timeout", "0.5")
    with server.connected() as sock:
        sock.sendall(begun)
        assert drip(server, sock, b"a")[9:12] == b"408"


@pytest.mark.parametrize("framing", ["counted", "chunked", "chunk extension", "trailer"])
def test_a_body_byte_by_byte_is_408(bulk: Bulk, framing: str) -> None:
    """Also after most of it came at once: nothing is saved up."""
    server = bulk("--body-timeout", "0.5", "--body-min-rate", "50000")
    begun, piece = {
        "counted": (b"Content-Length: 10000000\r\n\r\n" + b"x" * 200_000, b"x"),
        "chunked": (b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n", b"1\r\nx\r\n"),
        "chunk extension": (b"Transfer-Encoding: chunked\r\n\r\n" + b"1000;", b"a"),
        "trailer": (b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX:", b"a"),
    }[framing]
    with server.connected() as sock:
        sock.sendall(HEAD + begun)
        assert drip(server, sock, piece)[9:12] in (b"408", b"400")


def test_a_body_at_a_fair_rate_comes_whole(bulk: Bulk) -> None:
    server = bulk("--body-timeout", "0.5", "--body-min-rate", "10")
    with server.connected() as sock:
        client = Client(sock)
        client.send(HEAD + b"Content-Length: 200\r\n\r\n")
        for _ in range(200):
            client.send(b"x")
            assert server.get().status == 200
        assert client.hear().body == b"200"


def test_an_answer_read_byte_by_byte_is_cut(bulk: Bulk) -> None:
    """Also after much of it was read at once."""
    server = bulk("--write-timeout", "0.5", "--write-min-rate", "10000000")
    with narrow(server) as sock:
        sock.sendall(get("/download/100"))
        with pytest.raises((ConnectionResetError, EOFError)):
            sip(server, sock, 500, seconds=WAIT_S)


def sip(server: Server, sock: socket.socket, size: int, seconds: float) -> None:
    """Read a little again and again for so long; raises when the server has given up."""
    until = monotonic() + seconds
    while monotonic() < until:
        if not sock.recv(size):
            raise EOFError
        assert server.get("/", timeout=5.0).status == 200


def test_an_answer_read_slowly_but_steadily_is_not_cut(bulk: Bulk) -> None:
    """The kernel holds megabytes of it and takes nothing more for a long time; still the client takes something."""
    server = bulk("--write-timeout", "1", "--write-min-rate", "1000")
    with narrow(server) as sock:
        sock.sendall(get("/download/1000"))  # more than three seconds of sips, however quick the machine
        sip(server, sock, 3000, seconds=3.0)


def test_an_idle_connection_ends_although_it_sends_an_empty_line(bulk: Bulk) -> None:
    server = bulk("--keep-alive", "0.5", "--header-timeout", "0.5")
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).status == 200
        assert drip(server, sock, b"\r\n")[9:12] in (b"", b"400", b"408")


def test_requests_sent_ahead_wait_for_their_answers_to_be_read(bulk: Bulk) -> None:
    """Else a client that reads nothing has the worker keep all of them."""
    server = bulk("--write-timeout", "20")
    (pid,) = server.wait_ready()
    with watched(pid) as growth, narrow(server) as sock:
        sock.sendall(get("/whole/4") * 30)
        for _ in range(200):
            assert server.get("/", timeout=5.0).status == 200
        client = Client(sock)
        for _ in range(30):
            assert len(client.hear().body) == 4 * MB
    assert growth.most < 24 * MB
