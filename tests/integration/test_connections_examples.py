"""Connections as the wire sees them, with raw sockets, on every worker class: keep-alive, pipelining, slow clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.integration.bodies import SIZE
from tests.integration.server import EXAMPLES, Server, read_to_end, read_until

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
TEXT = b"Hello, World!"

KINDS = {
    "sync": ("sync", "flask_app"),
    "gthread": ("gthread", "flask_app"),
    "gevent": ("gevent", "flask_app"),
    "asgi-wsgi": ("asgi", "flask_app"),
    "asgi": ("asgi", "starlette_app"),
}


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[Server]:
    worker_class, folder = KINDS[request.param]
    server = Server(["-k", worker_class, "-w", "1", "main:app"], EXAMPLES / folder)
    yield server
    server.destroy()


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    before = len(shared.log.text)
    yield shared
    print(shared.log.text[before:][-12000:])


def test_connection_is_kept_for_the_next_request(server: Server) -> None:
    with server.connected() as sock:
        for _ in range(3):
            sock.sendall(HELLO)
            assert read_until(sock, TEXT).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connection_close_is_obeyed(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(LAST_HELLO)
        answer = read_to_end(sock)
    assert answer.endswith(TEXT)
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(TEXT)
    assert b"chunked" not in answer


def test_http_1_0_keeps_the_connection_when_asked_to(server: Server) -> None:
    with server.connected() as sock:
        for _ in range(2):
            sock.sendall(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert b"\r\nconnection: keep-alive\r\n" in read_until(sock, TEXT).lower()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    download = b"GET /download?size=3 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connected() as sock:
        sock.sendall(HELLO + download + HELLO + download + LAST_HELLO)
        answer = read_to_end(sock)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 5
    places = [answer.index(TEXT), answer.index(b"\x00\x01\x02"), answer.rindex(b"\x00\x01\x02"), answer.rindex(TEXT)]
    assert places == sorted(places)


def test_request_after_a_body_is_found(server: Server) -> None:
    upload = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde"
    chunked = b"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
    with server.connected() as sock:
        sock.sendall(upload + chunked + LAST_HELLO)
        answer = read_to_end(sock)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.endswith(TEXT)


def test_request_in_single_bytes_is_understood(server: Server) -> None:
    with server.connected() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in LAST_HELLO:
            sock.send(bytes([byte]))
        assert read_to_end(sock).endswith(TEXT)


def test_malformed_request_is_refused_and_others_go_on(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 400 ")
    assert server.get("/hello").body == TEXT


def test_clients_that_send_slowly_do_not_stop_others(server: Server) -> None:
    """Twenty clients are in the middle of a head, twenty in the middle of a body; one worker serves on."""
    begun = [b"GET /hel", b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"]
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        for number, client in enumerate(clients):
            client.sendall(begun[number % 2])
        for _ in range(5):
            assert server.get("/hello").body == TEXT
        clients[0].sendall(LAST_HELLO[len(begun[0]) :])
        assert read_to_end(clients[0]).endswith(TEXT)
    finally:
        for client in clients:
            client.close()


def test_clients_that_read_slowly_do_not_stop_others(server: Server) -> None:
    """Two clients ask for 50 MB and read only the head; one worker serves on, and they get the rest."""
    clients = []
    try:
        for _ in range(2):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            clients.append(client)
            client.sendall(b"GET /download HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            read_until(client, b"\r\n\r\n")
        for _ in range(5):
            assert server.get("/hello").body == TEXT
        rest = 0
        while more := clients[0].recv(1 << 20):
            rest += len(more)
        assert rest >= SIZE - (1 << 20)
    finally:
        for client in clients:
            client.close()


def test_idle_connections_do_not_stop_others(server: Server) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(50)]
    try:
        for client in idle[:25]:
            client.sendall(HELLO)
            read_until(client, TEXT)
        assert server.get("/hello").body == TEXT
        idle[0].sendall(HELLO)
        assert read_until(idle[0], TEXT)
    finally:
        for client in idle:
            client.close()


def test_client_that_leaves_mid_download_leaves_the_worker_serving(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"GET /download HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(sock, b"\r\n\r\n")
    assert server.get("/hello").body == TEXT


def test_client_that_leaves_mid_upload_leaves_the_worker_serving(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)
    assert server.get("/hello").body == TEXT


def test_expecting_client_is_told_to_continue(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(
            b"PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 100 Continue\r\n")
        sock.sendall(b"abc")
        assert b'"size":3' in read_to_end(sock).replace(b" ", b"")


@pytest.mark.parametrize("kind", KINDS)
def test_idle_connection_is_closed_after_the_keep_alive_time(kind: str) -> None:
    worker_class, folder = KINDS[kind]
    server = Server(["-k", worker_class, "--keep-alive", "0.3", "main:app"], EXAMPLES / folder)
    try:
        with server.connected() as sock:
            sock.sendall(HELLO)
            read_until(sock, TEXT)
            assert sock.recv(1) == b""
    finally:
        server.destroy()
