"""WebSocket on the real server: what clients see, what the application sees, what the logs say."""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect

from tests.integration.conftest import Serve
from tests.integration.server import EXAMPLES, WAIT_S, Server, read_to_end, read_until

HERE = Path(__file__).parent


@pytest.fixture
def server(serve: Serve) -> Server:
    return started(serve)


def started(serve: Serve, *options: str, app: str = "app:app", folder: Path = HERE) -> Server:
    server = serve(app, "-k", "asgi", "--access-logfile", "-", *options, folder=folder)
    server.wait_ready()
    return server


def opened(server: Server, path: str, **more: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{path}", open_timeout=WAIT_S, close_timeout=WAIT_S, **more)


def heard(client: ClientConnection) -> Any:
    """The next message, from JSON."""
    return json.loads(client.recv(timeout=WAIT_S))


def denied(server: Server, path: str, **more: Any) -> Response:
    with pytest.raises(InvalidStatus) as caught:
        opened(server, path, **more)
    return caught.value.response


def closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server closes."""
    try:
        while True:
            client.recv(timeout=WAIT_S)
    except ConnectionClosed as end:
        close = end.rcvd
    assert close is not None, "the connection broke without a Close frame"
    return close.code, close.reason


@contextmanager
def raw(server: Server, path: str, *lines: str, receive_buffer: int = 0) -> Iterator[socket.socket]:
    """A connection after its opening handshake, without a client library."""
    with socket.socket() as sock:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(WAIT_S)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(handshake(path, *lines))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        yield sock


def read_head(sock: socket.socket) -> bytes:
    """The head of a response and not a byte more: frames may come right behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection closed inside the head {head!r}"
        head += byte
    return head


def handshake(path: str, *lines: str, version: int = 13) -> bytes:
    head = [
        f"GET {path} HTTP/1.1",
        "Host: example.org",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Version: {version}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


def text(payload: bytes) -> bytes:
    """A masked text frame; the mask is zero, so that the payload can be read in a dump."""
    return bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload


# -- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_come_back_as_they_were(server: Server, compression: str | None) -> None:
    messages: list[str | bytes] = ["", "a", "\u20ac" * 50, "x" * 70_000, b"", b"\0\xff" * 40_000]
    with opened(server, "/echo", compression=compression) as client:
        for message in messages:
            client.send(message)
            assert client.recv(timeout=WAIT_S) == message
        client.send(["frag", "men", "ted"])
        assert client.recv(timeout=WAIT_S) == "fragmented"
        assert client.ping().wait(WAIT_S)


def test_no_compression_where_it_is_switched_off(serve: Serve) -> None:
    server = started(serve, "--no-ws-per-message-deflate")
    with opened(server, "/echo") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


def test_scope_says_what_the_handshake_said(serve: Serve) -> None:
    server = started(serve, "--root-path", "/api")
    with raw(server, "/show-scope?a=%20b", "Sec-WebSocket-Protocol: one, two", "Sec-WebSocket-Protocol: three") as sock:
        frame = read_until(sock, b'"by lifespan"}')
        scope, _ = json.JSONDecoder().raw_decode(frame[frame.index(b"{") :].decode("latin-1"))  # Close may follow
        client = sock.getsockname()
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["scheme"] == "ws"
    assert scope["http_version"] == "1.1"
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/show-scope", "/show-scope", "a=%20b")
    assert scope["subprotocols"] == ["one", "two", "three"]
    assert scope["client"] == list(client)
    assert scope["server"] == ["127.0.0.1", server.port]
    assert "method" not in scope


def test_state_and_context_are_those_of_lifespan_and_not_of_other_connections(server: Server) -> None:
    for visit in (1, 2):
        with opened(server, "/show-scope") as client:
            shown = heard(client)
        assert shown["state"]["database"] == {"visits": visit}
        assert not shown["had_mark"]
        assert shown["context"] == "by lifespan"


def test_subprotocol_and_headers_of_the_application(server: Server) -> None:
    with opened(server, "/choose", subprotocols=["one", "two"]) as client:
        assert client.subprotocol == "two"
        assert client.response is not None
        assert client.response.headers.get_all("x-one") == ["1", "2"]


def test_bytes_behind_the_handshake_wait_for_the_accept(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(handshake("/echo") + text(b"early"))
        assert read_until(sock, b"early").endswith(b"\r\n\r\n\x81\x05early")


def test_connection_after_plain_requests_on_it(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        read_until(sock, b"plain http")
        sock.sendall(handshake("/echo"))
        assert b" 101 " in read_head(sock)
        sock.sendall(text(b"hi"))
        assert read_until(sock, b"hi") == b"\x81\x02hi"


def test_connection_pipelined_behind_a_plain_request(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" + handshake("/echo") + text(b"hi"))
        answer = read_until(sock, b"\x81\x02hi")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.index(b"plain http") < answer.index(b"HTTP/1.1 101 ")


def test_two_tasks_may_receive_and_a_cancelled_one_loses_nothing(server: Server) -> None:
    with opened(server, "/two-readers") as client:
        assert heard(client) == "ready"
        for message in "dcba":
            client.send(message)
        assert heard(client) == ["a", "b", "c", "d"]
    server.log.wait("app: both readers ended")


def test_messages_out_of_order_are_the_applications_error(server: Server) -> None:
    with opened(server, "/wrong-order") as client:
        assert heard(client) == "still here"
    refused = [found[1] for found in server.log.wait("app: refused (.+)", count=5)]
    assert [phrase for phrase in refused if "is expected" in phrase] == refused[:3]
    assert "1006" in refused[3]
    assert "'text'" in refused[4]


# -- denial ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/close-before", 403),
        ("/leave-before", 403),
        ("/raise-before", 500),
        ("/choose-badly", 500),
        ("/deny-halfway", 500),
    ],
)
def test_connection_that_is_not_accepted_gets_a_status(server: Server, path: str, status: int) -> None:
    response = denied(server, path, subprotocols=["one"])
    assert response.status_code == status
    assert response.headers["connection"] == "close"
    server.log.wait(rf'"GET {path} HTTP/1.1" {status} ')


def test_application_that_closes_before_accepting_is_told_of_the_disconnect(server: Server) -> None:
    denied(server, "/close-before")
    server.log.wait("app: then websocket.disconnect")


def test_denial_response_is_the_applications_own(server: Server) -> None:
    response = denied(server, "/deny")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Basic"
    server.log.wait('"GET /deny HTTP/1.1" 401 12 ')
    with server.connected() as sock:
        sock.sendall(handshake("/deny"))
        assert b"who \r\n8\r\nare you?" in read_to_end(sock)


def test_other_version_is_answered_426(server: Server) -> None:
    with server.connected() as sock:
        sock.sendall(handshake("/echo", version=8))
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nsec-websocket-version: 13\r\n" in answer


def test_exception_before_the_accept_is_logged_once(server: Server) -> None:
    denied(server, "/raise-before")
    assert server.stop() == 0
    assert server.log.text.count("ZeroDivisionError: before") == 1


# -- closing -----------------------------------------------------------------------------------


def test_code_and_reason_of_the_application_reach_the_client(server: Server) -> None:
    with opened(server, "/close-after") as client:
        assert closed(client) == (4321, "enough")
    server.log.wait("app: own close 4321 'enough'")
    server.log.wait("app: late send ClientGone")


def test_code_and_reason_of_the_client_reach_the_application(server: Server) -> None:
    with opened(server, "/echo") as client:
        client.close(4100, "had to go")
    server.log.wait("app: disconnect 4100 'had to go' again=True")


def test_close_without_code_is_1005(server: Server) -> None:
    with raw(server, "/echo") as sock:
        sock.sendall(b"\x88\x80\0\0\0\0")
        assert read_to_end(sock) == b"\x88\x00"
    server.log.wait("app: disconnect 1005 ''")


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_lost_client_is_1006(server: Server, how: str) -> None:
    with raw(server, "/echo") as sock:
        sock.sendall(text(b"first"))
        read_until(sock, b"first")
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.log.wait("app: disconnect 1006 ''")


def test_messages_before_the_loss_still_reach_the_application(server: Server) -> None:
    with raw(server, "/wait-for-release") as sock:
        server.log.wait("app: waiting")
        sock.sendall(text(b"1") + text(b"22") + text(b"333"))
    assert server.get("/release").body == b"plain http"
    server.log.wait("app: counted 3 and then websocket.disconnect")


def test_application_that_returns_closes_with_1000(server: Server) -> None:
    with opened(server, "/leave-after") as client:
        assert closed(client) == (1000, "")


def test_exception_after_the_accept_closes_with_1011_and_is_logged_once(server: Server) -> None:
    with opened(server, "/raise-after") as client:
        assert closed(client)[0] == 1011
    assert server.stop() == 0
    assert server.log.text.count("ZeroDivisionError: after") == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x02hi", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x82\xfe" + (1001).to_bytes(2), 1009),
    ],
)
def test_broken_rule_is_told_to_both_sides(serve: Serve, sent: bytes, code: int) -> None:
    server = started(serve, "--ws-max-size", "1000")
    with raw(server, "/echo") as sock:
        sock.sendall(sent)
        answer = read_to_end(sock)
    assert answer[0] == 0x88
    assert int.from_bytes(answer[2:4]) == code
    server.log.wait(f"app: disconnect {code} ")


def test_size_limit_counts_after_inflation(serve: Serve) -> None:
    server = started(serve, "--ws-max-size", "10k")
    with opened(server, "/echo", compression="deflate") as client:
        client.send("x" * 10_000)
        assert len(client.recv(timeout=WAIT_S)) == 10_000
        client.send("x" * 20_000)
        assert closed(client)[0] == 1009


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stop_and_reload_say_1012_to_both_sides(server: Server, number: signal.Signals) -> None:
    with opened(server, "/echo") as client:
        client.send("here")
        client.recv(timeout=WAIT_S)
        server.send(number)
        assert closed(client)[0] == 1012
    server.log.wait("app: disconnect 1012")
    server.log.wait("app: lifespan shutdown")
    server.log.wait('"GET /echo HTTP/1.1" 101 ')


def test_stop_does_not_wait_for_a_client_that_does_not_answer(serve: Serve) -> None:
    server = started(serve, "--graceful-timeout", "2")
    with raw(server, "/echo"):
        assert server.stop() == 0


# -- pings -------------------------------------------------------------------------------------


def test_client_that_does_not_answer_pings_is_closed(serve: Serve) -> None:
    server = started(serve, "--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.2")
    with raw(server, "/echo") as sock:
        answer = read_to_end(sock)
    assert answer[0] == 0x89
    assert b"\x88\x0e\x03\xf3ping timeout" in answer
    server.log.wait("app: disconnect 1011 'ping timeout'")


def test_client_that_answers_pings_stays(serve: Serve) -> None:
    server = started(serve, "--ws-ping-interval", "0.1", "--ws-ping-timeout", "1")
    with raw(server, "/echo") as sock:
        for _ in range(5):
            ping = b""
            while len(ping) < 6:
                ping += sock.recv(6 - len(ping))
            assert ping[:2] == b"\x89\x04"
            sock.sendall(b"\x8a\x84\0\0\0\0" + ping[2:])
        sock.sendall(text(b"alive"))
        read_until(sock, b"alive")


# -- flow control ------------------------------------------------------------------------------


def test_messages_are_not_read_ahead_beyond_the_queue(serve: Serve) -> None:
    server = started(serve, "--ws-max-queue", "4")
    frame = b"\x82\xfe" + (60_000).to_bytes(2) + bytes(4 + 60_000)
    with raw(server, "/wait-for-release") as sock:
        server.log.wait("app: waiting")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.setblocking(False)
        sent, rest = 0, b""
        # One second without room in the socket: the server has stopped reading.
        while select.select([], [sock], [], 1.0)[1]:
            rest = rest or frame
            taken = sock.send(rest)
            rest = rest[taken:]
            sent += not rest
            assert sent < 500, "the server reads without end"
        assert server.get("/release").body == b"plain http"
        sock.settimeout(WAIT_S)
        sock.sendall(rest + text(b"end"))
        assert read_until(sock, str(sent + bool(rest)).encode())[:1] == b"\x81"


def test_client_that_does_not_read_stops_the_application_and_is_dropped(serve: Serve) -> None:
    server = started(serve, "--write-timeout", "1")
    with raw(server, "/push", receive_buffer=4096) as sock:
        server.log.wait("app: push ended by OSError")
        assert sock.fileno() >= 0
    pushed = server.log.wait("app: pushed ([0-9]+)")
    assert int(pushed[-1][1]) * 16384 < 16 << 20
    server.log.wait('"GET /push HTTP/1.1" 101 ')
    assert "Traceback" not in server.log.text


def test_client_that_leaves_amid_a_stream_of_messages_is_no_error(server: Server) -> None:
    with raw(server, "/push") as sock:
        sock.recv(100_000)
    server.log.wait("app: push ended by OSError")
    assert server.stop() == 0
    assert "Traceback" not in server.log.text
    assert "exception in the application" not in server.log.text


# -- the rest of the server --------------------------------------------------------------------


def test_concurrency_limit_counts_connections(serve: Serve) -> None:
    server = started(serve, "--limit-concurrency", "1")
    with opened(server, "/echo") as client:
        assert denied(server, "/echo").status_code == 503
        client.send("still")
        assert client.recv(timeout=WAIT_S) == "still"


@pytest.mark.parametrize("options", [("--loop", "asyncio"), ("--http", "h11")])
def test_other_loop_and_parser(serve: Serve, options: tuple[str, ...]) -> None:
    server = started(serve, *options)
    with opened(server, "/echo") as client:
        client.send("x" * 100_000)
        assert client.recv(timeout=WAIT_S) == "x" * 100_000
        client.close(4000, "bye")
    server.log.wait("app: disconnect 4000 'bye'")


def test_uncaught_disconnect_of_a_framework_is_not_logged_as_an_error(
    serve: Serve, write_app: Any, tmp_path: Path
) -> None:
    write_app(
        """
        from starlette.applications import Starlette
        from starlette.routing import WebSocketRoute

        async def talk(websocket):
            await websocket.accept()
            while True:
                await websocket.send_text(await websocket.receive_text())

        app = Starlette(routes=[WebSocketRoute("/talk", talk)])
        """
    )
    server = started(serve, app="site_app:app", folder=tmp_path)
    with opened(server, "/talk") as client:
        client.send("hello")
        assert client.recv(timeout=WAIT_S) == "hello"
    assert server.stop() == 0
    assert "Traceback" not in server.log.text


def test_fastapi_example_echoes(serve: Serve) -> None:
    server = started(serve, app="main:app", folder=EXAMPLES / "fastapi_app")
    with opened(server, "/ws/echo") as client:
        client.send("hello")
        assert "hello" in str(client.recv(timeout=WAIT_S))
