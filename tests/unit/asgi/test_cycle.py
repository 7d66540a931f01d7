"""Cycle: the order of messages, and what an exception means at each point."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import ChainMap
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from hybrid.asgi import TAIL, Cycle, RequestCycle
from hybrid.errors import ClientGone
from hybrid.http.request import Request
from hybrid.http1.response import LARGE, Prefixes, ResponseError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Coroutine[Any, Any, object]]

PREFIXES = Prefixes(server=None, date=False)
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
END = {"type": "http.response.body", "body": b"ok"}


class Wire:
    """A connection that only notes what is done to it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_writable = True
        self.sent = b""
        self.events: list[str] = []
        self.reports: list[tuple[str, BaseException | None]] = []
        self.room = asyncio.Event()
        self.is_crowded = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def writelines(self, buffers: tuple[bytes, bytes, bytes]) -> None:
        self.sent += b"".join(buffers)

    def write_piece(self, buffers: tuple[bytes, bytes, bytes]) -> None:
        self.sent += b"".join(buffers)

    async def drain(self) -> None:
        await self.room.wait()

    def want_body(self) -> None:
        self.events.append("want body")

    async def send_file(self, head: bytes, fd: int, offset: int, count: int) -> bool:
        return False

    def took_body(self) -> bool:
        self.events.append("took body")
        return self.is_crowded

    def complete(self, cycle: RequestCycle, data: bytes) -> None:
        self.sent += data
        self.events.append("complete")

    def on_broken(self, cycle: RequestCycle) -> None:
        self.events.append("broken")

    def on_ended(self, cycle: RequestCycle) -> None:
        self.events.append("ended")

    def report(self, cycle: RequestCycle, what: str, error: BaseException | None) -> None:
        self.reports.append((what, error))


def request(method: str = "GET") -> Request:
    made = Request()
    made.method, made.version, made.keep_alive, made.headers = method, 1, True, []
    return made


class Play:
    """One request of an application; `act` is what the client and the connection do meanwhile."""

    def __init__(self, app: App, *, has_body: bool = False) -> None:
        self._app = app
        self._has_body = has_body
        self.wire: Wire
        self.cycle: Cycle

    def run(self, act: Callable[[Play], Awaitable[None]] | None = None) -> Play:
        async def play() -> None:
            self.wire = Wire()
            self.cycle = Cycle(self._app, request(), PREFIXES, self.wire, has_body=self._has_body)
            task = asyncio.get_running_loop().create_task(self.cycle.run({"type": "http"}))
            if act is not None:
                await settled()
                await act(self)
            await asyncio.wait_for(task, 5)

        asyncio.run(play())
        return self

    @property
    def status(self) -> int:
        return int(self.wire.sent.split(b" ", 2)[1]) if self.wire.sent else 0


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_plain_response_is_one_write() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(END)

    play = Play(app).run()
    assert play.wire.sent == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
    assert play.wire.events == ["complete", "ended"]
    assert play.wire.reports == []


def test_messages_may_be_any_mapping() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(ChainMap({}, START))
        await send(ChainMap(END, {"more_body": False}))

    assert Play(app).run().wire.sent.endswith(b"content-length: 2\r\n\r\nok")


def test_start_alone_puts_nothing_on_the_wire() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await receive()
        await receive()

    async def act(play: Play) -> None:
        assert play.wire.sent == b""
        play.cycle.disconnect()

    assert Play(app).run(act).wire.reports == []


@pytest.mark.parametrize(
    "messages",
    [
        [START, START],
        [END],
        [START, END, END],
        [START, END, START],
        [{"type": "http.response.nonsense"}],
        [START, {"type": "http.response.nonsense"}],
        [{"type": "websocket.accept"}],
    ],
)
def test_message_out_of_order_is_a_runtime_error_to_the_application(messages: list[dict[str, Any]]) -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for message in messages:
            try:
                await send(message)
            except RuntimeError as error:
                raised.append(error)

    Play(app).run()
    assert len(raised) == 1
    assert repr(messages[-1]["type"]) in str(raised[0])


def test_exception_before_the_head_is_a_500_logged_once() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise ValueError("mine")

    play = Play(app).run()
    assert play.status == 500
    assert [str(error) for _, error in play.wire.reports] == ["mine"]
    assert play.wire.events == ["complete", "ended"]


def test_exception_between_head_and_content_replaces_the_head() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        raise ValueError("mine")

    assert Play(app).run().status == 500


def test_exception_in_the_middle_breaks_the_response_off() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise ValueError("mine")

    play = Play(app).run()
    assert play.wire.sent.endswith(b"4\r\npart\r\n")
    assert play.wire.events == ["broken", "ended"]
    assert len(play.wire.reports) == 1


def test_exception_after_the_response_is_only_logged() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(END)
        raise ValueError("mine")

    play = Play(app).run()
    assert play.status == 200
    assert play.wire.events == ["complete", "ended"]
    assert len(play.wire.reports) == 1


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exceptions_that_end_programs_do_not_end_the_worker(error: BaseException) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise error

    play = Play(app).run()
    assert play.status == 500
    assert [found for _, found in play.wire.reports] == [error]


def test_return_without_a_response_is_a_500_and_without_its_end_a_broken_one() -> None:
    async def nothing(scope: Any, receive: Receive, send: Send) -> None: ...

    async def half(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"part", "more_body": True})

    assert Play(nothing).run().status == 500
    play = Play(half).run()
    assert play.wire.events == ["broken", "ended"]
    assert len(play.wire.reports) == 1


def test_returned_value_is_tolerated() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> object:
        await send(START)
        await send(END)
        return object()

    assert Play(app).run().wire.reports == []


def test_body_in_tiny_pieces_is_kept_in_few() -> None:
    """An object for each would take many times the memory."""
    pieces = [b"%04d" % number for number in range(3000)]
    got: list[dict[str, Any]] = []
    taken: list[int] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        got.append(await receive())

    async def act(play: Play) -> None:
        tracemalloc.start()
        for number, piece in enumerate(pieces, 1):
            play.cycle.feed(bytes(bytearray(piece)), is_complete=number == len(pieces))
        taken.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        await settled()

    Play(app, has_body=True).run(act)
    assert got == [{"type": "http.request", "body": b"".join(pieces), "more_body": False}]
    assert taken[0] < 3 * 12000


def test_body_is_given_piece_by_piece_and_then_the_disconnect_for_ever() -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for _ in range(4):
            got.append(await receive())

    async def act(play: Play) -> None:
        assert play.wire.events == ["want body"]
        play.cycle.feed(b"ab", is_complete=False)
        await settled()
        play.cycle.feed(b"c", is_complete=False)
        play.cycle.feed(b"d", is_complete=True)
        await settled()
        assert len(got) == 2
        play.cycle.disconnect()

    Play(app, has_body=True).run(act)
    assert got == [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"cd", "more_body": False},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]


@pytest.mark.parametrize(
    ("sizes", "is_crowded", "expected"),
    [
        ([100_000, 10], True, [100_000 - TAIL, TAIL, 10]),
        ([100_000, 10], False, [100_000, 10]),
        ([2 * TAIL, 10], True, [2 * TAIL, 10]),
        ([10, 100_000], True, [10, 100_000]),
    ],
)
def test_in_a_crowd_the_last_piece_before_a_wait_is_small(
    sizes: list[int], is_crowded: bool, expected: list[int]
) -> None:
    """An application holds the last piece that it has read while it waits for the next."""
    got: list[bytes] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            got.append(message["body"])
            if not message["more_body"]:
                break

    async def act(play: Play) -> None:
        play.wire.is_crowded = is_crowded
        play.cycle.feed(bytes(range(100)) * (sizes[0] // 100) + b"x" * (sizes[0] % 100), is_complete=False)
        await settled()
        play.cycle.feed(b"y" * sizes[1], is_complete=True)
        await settled()

    Play(app, has_body=True).run(act)
    assert [len(piece) for piece in got] == expected
    assert b"".join(got) == bytes(range(100)) * (sizes[0] // 100) + b"x" * (sizes[0] % 100) + b"y" * sizes[1]


def test_disconnect_in_the_body_is_no_end_of_the_body() -> None:
    got: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        got.append((await receive())["type"])

    async def act(play: Play) -> None:
        play.cycle.disconnect()

    Play(app, has_body=True).run(act)
    assert got == ["http.disconnect"]


def test_two_tasks_may_receive_at_once_and_a_cancelled_one_loses_nothing() -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        async def one() -> None:
            got.append(await receive())

        tasks = [asyncio.ensure_future(one()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks)

    async def act(play: Play) -> None:
        play.cycle.feed(b"a", is_complete=False)
        await settled()
        play.cycle.feed(b"b", is_complete=True)

    Play(app, has_body=True).run(act)
    assert [message["body"] for message in got] == [b"a", b"b"]


def test_cancelled_receivers_are_forgotten_before_anything_happens() -> None:
    """A long poll with a time-out of its own would else leave a future behind each time."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for _ in range(100):
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    async def act(play: Play) -> None:
        for _ in range(1000):
            await settled()
        assert play.cycle._waiters == []
        play.cycle.disconnect()

    Play(app, has_body=True).run(act)


@pytest.mark.parametrize("turns", range(4))
def test_receiver_cancelled_after_it_was_woken_leaves_the_message(turns: int) -> None:
    """Or has it: there is no turn of the loop in which it is nobody's."""
    got: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        task = asyncio.ensure_future(receive())
        listeners.append(task)
        await asyncio.wait([task])
        got.append(await receive() if task.cancelled() else task.result())

    listeners: list[asyncio.Future[Any]] = []

    async def act(play: Play) -> None:
        play.cycle.feed(b"a", is_complete=True)
        for _ in range(turns):
            await asyncio.sleep(0)
        listeners[0].cancel()

    Play(app, has_body=True).run(act)
    assert got == [{"type": "http.request", "body": b"a", "more_body": False}]


def test_listener_hears_of_the_end_of_the_response() -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        listener = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await send(START)
        await send(END)
        got.append(await listener)

    Play(app).run()
    assert got == [{"type": "http.disconnect"}]


def test_leaving_tells_listeners_and_lets_the_answer_through() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send(START)
        await send(END)

    async def act(play: Play) -> None:
        play.cycle.leave()

    assert Play(app).run(act).status == 200


def test_application_that_stops_when_told_to_leave_has_done_nothing_wrong() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    async def act(play: Play) -> None:
        play.cycle.leave()

    play = Play(app).run(act)
    assert play.wire.reports == []
    assert play.wire.events == ["broken", "ended"]


def gone(raise_it: Callable[[BaseException], None] | None = None) -> App:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        try:
            await send(START)
        except OSError as error:
            if raise_it is None:
                raise
            raise_it(error)
        else:
            raise AssertionError("send() did as if there was somebody to send to")

    return app


def _in_group(error: BaseException) -> None:
    raise BaseExceptionGroup("of a task group", [error])


def _as_own(error: BaseException) -> None:
    raise RuntimeError("what a framework makes of it")


async def _disconnect(play: Play) -> None:
    play.cycle.disconnect()


@pytest.mark.parametrize("app", [gone(), gone(_in_group), gone(_as_own), gone(lambda error: None)])
def test_client_that_left_is_an_oserror_to_the_application_and_silence_in_the_log(app: App) -> None:
    play = Play(app).run(_disconnect)
    assert play.wire.reports == []
    assert play.wire.sent == b""


def test_unrelated_exception_after_the_client_left_is_logged() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        raise ValueError("a bug")

    assert [str(error) for _, error in Play(app).run(_disconnect).wire.reports] == ["a bug"]


def test_send_waits_while_the_client_does_not_read() -> None:
    sent: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        sent.append("first")
        await receive()

    async def play() -> None:
        wire = Wire()
        wire.is_writable = False
        cycle = Cycle(app, request(), PREFIXES, wire, has_body=False)
        task = asyncio.get_running_loop().create_task(cycle.run({}))
        await settled()
        assert sent == []
        wire.room.set()
        await task
        assert sent == ["first"]

    asyncio.run(play())


def test_send_that_waited_for_a_client_that_left_raises() -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        except ClientGone as error:
            raised.append(error)

    async def play() -> None:
        wire = Wire()
        wire.is_writable = False
        cycle = Cycle(app, request(), PREFIXES, wire, has_body=False)
        task = asyncio.get_running_loop().create_task(cycle.run({}))
        await settled()
        cycle.disconnect()
        wire.room.set()
        await task

    asyncio.run(play())
    assert len(raised) == 1


def test_application_that_streams_without_end_lets_the_loop_run() -> None:
    """A transport that is closing takes everything and never asks to wait."""
    sent = 0

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            sent += 1
            assert sent < 10_000, "nothing else runs"

    async def act(play: Play) -> None:
        play.cycle.disconnect()

    play = Play(app).run(act)
    assert play.wire.reports == []


@pytest.mark.parametrize("body", [bytearray(b"ok"), memoryview(b"ok")])
def test_any_buffer_is_a_body_and_text_is_not(body: Any) -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await send({"type": "http.response.body", "body": "ok"})
        except TypeError as error:
            raised.append(error)
        await send({"type": "http.response.body", "body": body})

    play = Play(app).run()
    assert play.wire.sent.endswith(b"\r\n\r\nok")
    assert len(raised) == 1


def test_large_content_is_framed_like_small() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": bytes(LARGE), "more_body": True})
        await send({"type": "http.response.body", "body": bytes(LARGE)})

    sent = Play(app).run().wire.sent
    assert sent.count(b"\r\n10000\r\n") == 2
    assert sent.endswith(b"\r\n0\r\n\r\n")


def test_header_that_cannot_be_sent_is_an_error_to_the_application_and_a_500_to_the_client() -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb: c")]})
        try:
            await send(END)
        except ResponseError as error:
            raised.append(error)

    assert Play(app).run().status == 500
    assert len(raised) == 1


def test_event_stream_head_is_not_held() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await receive()
        await receive()

    async def act(play: Play) -> None:
        assert play.wire.sent.endswith(b"transfer-encoding: chunked\r\n\r\n")
        play.cycle.disconnect()

    Play(app).run(act)


def test_cancelled_application_is_broken_off_and_not_reported() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await receive()
            await receive()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def play() -> None:
        wire = Wire()
        cycle = Cycle(app, request(), PREFIXES, wire, has_body=False)
        cycle.task = asyncio.get_running_loop().create_task(cycle.run({}))
        await settled()
        cycle.cancel()
        await asyncio.wait([cycle.task])
        assert wire.events == ["broken", "ended"]
        assert wire.reports == []

    asyncio.run(play())
    assert seen == ["cancelled"]
