"""What clients do to a server, and what must hold meanwhile; how much of it is the test's choice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.integration.abuse.bulk import (
    MB,
    close_all,
    connect_many,
    download,
    send_for_ever,
    settled,
    upload,
    warmed_up,
    watched,
)
from tests.integration.server import Server, read_until
from tests.integration.workers.wire import Client, get, post

FIELD = b"X-Filler: " + b"f" * 100 + b"\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

ENDLESS = {
    "request line": (b"GET /", b"a" * 1000, b"414"),
    "header fields": (HEAD, FIELD, b"431"),
    "one header field": (HEAD + b"X-Long: ", b"a" * 1000, b"431"),
    "trailer fields": (CHUNKED + b"1\r\na\r\n0\r\n", FIELD, b"431"),
    "one trailer field": (CHUNKED + b"1\r\na\r\n0\r\nX-Long: ", b"a" * 1000, b"431"),
    "chunk extension": (CHUNKED + b"1;", b"a=b;" * 250, b"400"),
}
"""What a client begins, what it then sends again and again, and the status that ends it."""

SLOW = {
    "nothing": b"",
    "half a request line": b"GET /hel",
    "half a head": HEAD + b"X-Slow: ",
    "half a body": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc",
    "half a chunk": CHUNKED + b"10\r\nabc",
    "half a large body": b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000,
    "a body to be asked for": b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
}


def check_uploads_and_downloads_cost_no_memory(server: Server, megabytes: int, most: int) -> None:
    pid = warmed_up(server)
    with watched(pid) as growth:
        upload(server, megabytes)
        download(server, megabytes)
    assert growth.most < most, f"grew by {growth.most / MB:.1f} MB"


def check_endless_sending_is_refused(server: Server, megabytes: int, clients: int, most: int) -> None:
    pid = warmed_up(server)
    for what, (head, piece, status) in ENDLESS.items():
        with watched(pid) as growth:
            answers = send_for_ever(server, head, piece, megabytes * MB, clients)
        assert {answer[9:12] for answer in answers} <= {status, b""}, what
        assert status in {answer[9:12] for answer in answers}, what
        assert growth.most < most, f"{what}: grew by {growth.most / MB:.1f} MB"


def check_readers_that_do_not_read_cost_little(server: Server, clients: int, megabytes: int, most: int) -> None:
    """Each gets the beginning and takes no more; a client that reads is served meanwhile."""
    pid = warmed_up(server)
    with watched(pid) as growth, holding(server, clients, get(f"/download/{megabytes}")) as sockets:
        for sock in sockets:
            read_until(sock, b"\r\n\r\n")
        answer_quickly(server)
        download(server, 4)
    assert growth.most < most, f"grew by {growth.most / MB:.1f} MB"


def check_idle_connections_cost_little(server: Server, count: int, each: int) -> None:
    """Kept alive after a request, as those of browsers are."""
    pid = warmed_up(server)
    before = settled(pid)
    with holding(server, count, get("/")) as sockets:
        for sock in sockets:
            assert Client(sock).hear().status == 200
        answer_quickly(server)
        used = settled(pid) - before
        answer_quickly(server)
    assert used < count * each, f"{used / count:.0f} bytes each"


def check_slow_uploads_cost_little(server: Server, clients: int, size: int, most: int) -> None:
    """Uploads that stand still half-way; a client that is quick is served meanwhile."""
    pid = warmed_up(server)
    half = post("/upload", None, f"Content-Length: {2 * size}") + b"x" * size
    with watched(pid) as growth, holding(server, clients, half):
        server.get("/")  # behind what has come of them all
        for _ in range(5):
            answer_quickly(server)
        upload(server, 4)
    assert growth.most < most, f"grew by {growth.most / MB:.1f} MB"


def check_slow_clients_stop_nobody(server: Server, clients: int) -> None:
    """Many clients in the middle of everything that can take long, those that read nothing included."""
    server.wait_ready()
    with ExitStack() as stack:
        for begun in SLOW.values():
            stack.enter_context(holding(server, clients, begun))
        stack.enter_context(holding(server, clients, get("/download/100")))
        for _ in range(5):
            answer_quickly(server)


def check_flood_stops_nobody(server: Server, connections: int) -> None:
    """Clients that connect and leave, by FIN and by RST, as fast as they can; and one that wants something."""
    server.wait_ready()
    for number in range(connections // 50):
        clients = connect_many(server, 50)
        if number % 2:
            for client in clients:
                Client(client).reset()
        close_all(clients)
        if number % 4 == 0:
            answer_quickly(server)


def answer_quickly(server: Server) -> None:
    """A normal client is answered within a second."""
    assert server.get("/", timeout=1.0).body == b"0"


@contextmanager
def holding(server: Server, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent this and wait."""
    sockets = connect_many(server, count)
    try:
        for sock in sockets:
            sock.sendall(first)
        yield sockets
    finally:
        close_all(sockets)
