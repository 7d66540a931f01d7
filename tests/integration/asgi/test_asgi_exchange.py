"""Requests and responses of an asgi worker on the wire: what an ASGI application and its client are promised."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import select
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import WAIT_S, Serve

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLAIN = [(b"content-type", b"text/plain")]


async def answer(send: Send, body: bytes = b"ok", *, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*PLAIN, *headers]})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return body


def http_only(app: Any) -> Any:
    """An application without lifespan."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", scope["type"]
        await app(scope, receive, send)

    return wrapped


@http_only
async def echo(scope: Message, receive: Receive, send: Send) -> None:
    await answer(send, await read_body(receive))


@http_only
async def hello(scope: Message, receive: Receive, send: Send) -> None:
    await answer(send)


class Told:
    """What the application tells the test."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __call__(self, what: Any) -> None:
        self._queue.put(what)

    def next(self) -> Any:
        return self._queue.get(timeout=WAIT_S)


@pytest.fixture
def told() -> Told:
    return Told()


# -- scope --------------------------------------------------------------------------------------------


def test_scope_has_integer_ports_and_the_raw_target(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told(scope)
        await answer(send)

    serving = serve(app)
    client = serving.connect()
    client.get("/a%20b/%C3%A9?x=%20&y", "X-Two: 1", "x-two: 2").answer()
    scope = told.next()
    assert scope["path"] == "/a b/\u00e9"
    assert scope["raw_path"] == b"/a%20b/%C3%A9"
    assert scope["query_string"] == b"x=%20&y"
    assert scope["client"] == client.socket.getsockname()
    assert scope["server"] == client.socket.getpeername()
    assert scope["headers"] == [(b"host", b"example.org"), (b"x-two", b"1"), (b"x-two", b"2")]
    assert (scope["type"], scope["method"], scope["scheme"], scope["http_version"]) == ("http", "GET", "http", "1.1")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}


def test_unix_socket_has_no_client_and_a_path_as_server(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told(scope)
        await answer(send)

    client = serve(app).connect(1)
    client.get().answer()
    scope = told.next()
    assert scope["client"] is None
    assert tuple(scope["server"]) == (client.socket.getpeername(), None)


# -- request bodies -----------------------------------------------------------------------------------


def test_body_arrives_whole_from_any_split(serve: Serve) -> None:
    client = serve(echo).connect()
    request = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n"
    )
    for at in range(1, len(request)):
        client.send(request[:at])
        client.send(request[at:])
        assert client.answer()[2] == b"abcde"


def test_large_upload_is_read_no_faster_than_the_application_takes_it(serve: Serve) -> None:
    gate: list[Any] = []

    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        gate.append(asyncio.Event())
        gate.append(asyncio.get_running_loop())
        await gate[0].wait()
        await answer(send, str(len(await read_body(receive))).encode())

    client = serve(app).connect()
    size = 32 * 1024 * 1024
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    client.socket.setblocking(False)
    sent = 0
    block = bytes(65536)
    while True:  # until nobody takes any more: far less than the whole
        try:
            sent += client.socket.send(block)
        except BlockingIOError:
            import select

            if not select.select([], [client.socket], [], 0.5)[1]:
                break
    assert sent < size // 2
    client.socket.settimeout(WAIT_S)
    gate[1].call_soon_threadsafe(gate[0].set)
    while sent < size:
        sent += client.socket.send(block[: size - sent])
    assert client.answer()[2] == str(size).encode()


def test_client_that_leaves_mid_upload_is_a_disconnect(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told(await receive())
        told(await receive())

    client = serve(app).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
    assert told.next() == {"type": "http.request", "body": b"abc", "more_body": True}
    client.close()
    assert told.next() == {"type": "http.disconnect"}


def test_continue_is_sent_when_the_application_reads(serve: Serve) -> None:
    client = serve(echo).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.send(b"abc").answer()[2] == b"abc"
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
    assert client.answer()[0] == 200  # the body was there already


def test_no_continue_where_the_application_does_not_read(serve: Serve) -> None:
    client = serve(hello).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer()[0] == 200
    assert client.rest() == b""


def test_early_answer_to_an_upload_reaches_a_client_that_still_sends(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, b"too large", status=413, headers=[(b"connection", b"close")])

    client = serve(app).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n")
    select.select([client.socket], [], [])  # the answer is there, and nothing has read it yet
    for _ in range(20):
        client.send(bytes(65536))  # fails when a reset has come, which may take the answer away from the client
    status, _, body = client.answer()
    assert (status, body) == (413, b"too large")
    client.finish()
    assert client.rest() == b""


def test_unread_rest_of_a_small_body_does_not_become_a_request(serve: Serve) -> None:
    client = serve(hello).connect()
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled))
    assert client.answer()[0] == 200
    client.send(smuggled)
    client.get("/next")
    assert client.answer()[0] == 200
    client.finish()
    assert client.rest() == b""


def test_malformed_chunk_ends_the_request_with_400(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told("called")
        told(await receive())
        await answer(send)

    client = serve(app).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert told.next() == "called"
    client.send(b"zz\r\n\r\n")
    assert client.answer()[0] == 400
    assert told.next() == {"type": "http.disconnect"}


# -- receive() after the body -------------------------------------------------------------------------


def test_receive_after_the_body_waits_for_the_disconnect(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/other":
            await answer(send)
            told([listener.done() for listener in listeners])
            return
        told(await receive())
        listeners.append(asyncio.ensure_future(receive()))
        told("waiting")
        told(await listeners[0])
        told(await receive())

    listeners: list[asyncio.Future[Message]] = []
    serving = serve(app)
    client = serving.connect()
    client.get()
    assert told.next() == {"type": "http.request", "body": b"", "more_body": False}
    assert told.next() == "waiting"
    assert serving.connect().get("/other").answer()[0] == 200
    assert told.next() == [False]
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert told.next() == {"type": "http.disconnect"}
    assert told.next() == {"type": "http.disconnect"}


def test_receive_says_disconnect_when_the_response_is_complete(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        listener = asyncio.ensure_future(receive())
        await asyncio.sleep(0)  # it waits now
        await answer(send)
        told(await listener)

    client = serve(app).connect()
    assert client.get().answer()[0] == 200
    assert told.next() == {"type": "http.disconnect"}


def test_client_that_closes_is_noticed_without_a_write(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        told("waiting")
        told(await receive())

    for index in (0, 1):
        client = serve(app).connect(index)
        client.get()
        assert told.next() == "waiting"
        client.close()
        assert told.next() == {"type": "http.disconnect"}


# -- send() -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["start", "middle", "end"])
def test_send_after_the_client_left_raises_oserror_and_nothing_is_logged(
    serve: Serve, told: Told, message: str
) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if message != "start":
            await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        told("ready")
        while (await receive())["type"] != "http.disconnect":
            pass
        try:
            if message == "start":
                await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
            else:
                await send({"type": "http.response.body", "body": b"y", "more_body": message == "middle"})
        except OSError as error:
            told(error)
            raise

    serving = serve(app)
    client = serving.connect()
    client.get()
    assert told.next() == "ready"
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert isinstance(told.next(), OSError)
    assert serving.connect().get("/").socket  # the worker is well
    assert serving.log.errors == []


def test_head_waits_for_the_body_and_an_exception_between_them_is_a_clean_500(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        raise ValueError("between head and body")

    serving = serve(app)
    assert serving.connect().get().answer()[0] == 500
    assert "between head and body" in serving.log.wait("exception in the application")


def test_exception_in_the_middle_leaves_the_chunked_body_unfinished(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise ValueError("in the middle")

    serving = serve(app)
    client = serving.connect().get()
    assert client.rest().endswith(b"\r\n\r\n4\r\npart\r\n")
    serving.log.wait("in the middle")
    assert len(serving.log.errors) == 1


def test_exception_in_a_close_delimited_body_resets_the_connection(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise ValueError("in the middle")

    assert serve(app).connect().send(b"GET / HTTP/1.0\r\n\r\n").is_reset()


def test_exception_after_the_response_is_only_logged(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send)
        raise ValueError("in a background task")

    serving = serve(app)
    client = serving.connect()
    assert client.get().answer()[0] == 200
    assert client.get().answer()[0] == 200
    serving.log.wait("in a background task")


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError("mine")])
def test_no_exception_of_the_application_ends_the_worker(serve: Serve, exception: BaseException) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/well":
            await answer(send)
        raise exception

    serving = serve(app)
    assert serving.connect().get().answer()[0] == 500
    assert serving.connect().get("/well").answer()[0] == 200


def test_application_that_answers_nothing_is_500_and_half_an_answer_is_cut(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
            await send({"type": "http.response.body", "body": b"12345", "more_body": True})

    serving = serve(app)
    assert serving.connect().get("/").answer()[0] == 500
    assert serving.connect().get("/half").rest().endswith(b"12345")
    serving.log.wait("without starting a response")
    serving.log.wait("without a complete response")


def test_event_stream_head_is_sent_before_the_first_event(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while (await receive())["type"] != "http.disconnect":
            pass

    head = serve(app).connect().get().until(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head


def test_pieces_made_in_one_turn_arrive_although_nothing_follows(serve: Serve) -> None:
    pieces = [b"%d" % number * 1000 for number in range(5)]

    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    client = serve(app).connect().get()
    assert client.until(pieces[-1] + b"\r\n").endswith(b"".join(b"3e8\r\n%b\r\n" % piece for piece in pieces))


def test_held_head_is_released_after_a_while(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        while (await receive())["type"] != "http.disconnect":
            pass

    assert serve(app).connect().get().until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_response_framing_by_version_method_and_length(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    serving = serve(app)
    client = serving.connect()
    status, headers, body = client.get().answer()
    assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"onetwo")
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.answer("HEAD")[2] == b""
    assert client.get().answer()[2] == b"onetwo"
    old = serving.connect().send(b"GET / HTTP/1.0\r\n\r\n").rest()
    assert b"chunked" not in old
    assert old.endswith(b"\r\n\r\nonetwo")


def test_too_much_content_never_reaches_the_wire(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"HTTP/1.1 200 OK"})

    client = serve(app).connect().get()
    assert client.rest().endswith(b"\r\n\r\nabc")


def test_injected_header_is_500(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send, headers=[(b"x", b"a\r\nSet-Cookie: evil=1")])

    status, headers, _ = serve(app).connect().get().answer()
    assert status == 500
    assert "set-cookie" not in headers


def test_download_larger_than_any_buffer_waits_for_a_slow_reader(serve: Serve, told: Told) -> None:
    block = bytes(262144)

    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        for number in range(128):
            await send({"type": "http.response.body", "body": block, "more_body": True})
            if number == 0:
                told("begun")
        told("sent")
        await send({"type": "http.response.body", "body": b""})

    client = serve(app).connect()
    client.get()
    assert told.next() == "begun"
    with pytest.raises(queue.Empty):
        told._queue.get(timeout=0.3)  # 32 MB cannot be out while nobody reads
    assert len(client.answer()[2]) == 128 * len(block)
    assert told.next() == "sent"


# -- connections --------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order_one_after_the_other(serve: Serve) -> None:
    running = 0

    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1
        await answer(send, scope["path"].encode())

    client = serve(app).connect()
    for number in range(10):
        client.get(f"/{number}")
    assert [client.answer()[2] for _ in range(10)] == [b"/%d" % number for number in range(10)]


def test_request_pipelined_behind_a_body_is_served(serve: Serve) -> None:
    client = serve(echo).connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.answer()[2] == b"abc"
    assert client.answer()[2] == b""


def test_half_closed_client_still_gets_its_answer(serve: Serve) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.2)
        await answer(send)

    for index in (0, 1):
        client = serve(app).connect(index).get()
        client.finish()
        assert client.rest().endswith(b"\r\n\r\nok")


def test_requests_pipelined_before_a_fin_are_all_answered(serve: Serve) -> None:
    client = serve(hello).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"GET / HT")
    client.finish()
    assert client.rest().count(b"HTTP/1.1 200 OK") == 3


def test_more_requests_ahead_than_the_limit_end_the_connection(serve: Serve) -> None:
    client = serve(hello, limit_pipelined=2).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
    assert client.rest().count(b"HTTP/1.1 200 OK") < 8


def test_access_log_has_a_line_for_each_request(serve: Serve, tmp_path: Path, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/gone":
            await receive()
            told("waiting")
            await receive()
            return
        await answer(send, headers=[(b"x-id", b"7")])

    path = tmp_path / "access.log"
    serving = serve(app, accesslog=str(path), access_log_format="%(m)s %(U)s %(s)s %(B)s %({X-Id}o)s")
    client = serving.connect()
    client.get("/a?b").answer()
    client.send(b"HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n").answer("HEAD")
    client.get("/gone")
    assert told.next() == "waiting"
    client.close()
    serving.stop().wait_end()
    assert path.read_text().splitlines() == ["GET /a 200 2 7", "HEAD /c 200 0 7", "GET /gone 499 0 -"]


def test_context_variables_of_one_request_are_unseen_by_the_next(serve: Serve) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        seen = variable.get()
        variable.set(scope["path"])
        await answer(send, seen.encode())

    client = serve(app).connect()
    for number in range(5):
        client.get(f"/{number}")
    assert [client.answer()[2] for _ in range(5)] == [b"unset"] * 5


def test_background_work_does_not_hold_up_the_next_request(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await answer(send)
        if scope["path"] == "/first":
            told.task = asyncio.current_task()  # type: ignore[attr-defined]
            await asyncio.get_running_loop().create_future()

    client = serve(app).connect()
    assert client.get("/first").answer()[0] == 200
    assert client.get("/second").answer()[0] == 200
    told.task.get_loop().call_soon_threadsafe(told.task.cancel)  # type: ignore[attr-defined]


def test_refused_request_is_answered_and_nothing_after_it_is_read(serve: Serve) -> None:
    client = serve(hello).connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.answer()[0] == 400
    assert client.rest() == b""


@pytest.mark.parametrize(
    ("settings", "sent", "status"),
    [
        ({"header_timeout": 0.2}, b"GET / HTTP/1.1\r\nHo", 408),
        ({"body_timeout": 0.2}, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 408),
    ],
)
def test_slow_request_is_answered_408(serve: Serve, settings: Message, sent: bytes, status: int) -> None:
    client = serve(echo, **settings).connect()
    assert client.send(sent).answer()[0] == status


@pytest.mark.parametrize("settings", [{"first_byte_timeout": 0.2}, {"keepalive": 0.2}])
def test_silent_connection_is_closed(serve: Serve, settings: Message) -> None:
    client = serve(hello, **settings).connect()
    if "keepalive" in settings:
        assert client.get().answer()[0] == 200
    assert client.rest() == b""


def test_no_keep_alive_means_close_after_each_response(serve: Serve) -> None:
    client = serve(hello, keepalive=0.0).connect()
    status, headers, _ = client.get().answer()
    assert (status, headers["connection"]) == (200, "close")
    assert client.rest() == b""


def test_client_that_reads_nothing_is_cut_off(serve: Serve, told: Told) -> None:
    @http_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        except OSError as error:
            told(error)

    client = serve(app, write_timeout=0.3).connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.get()
    assert isinstance(told.next(), OSError)
