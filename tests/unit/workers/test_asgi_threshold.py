"""The transport of first requests, and how a connection leaves it. Sockets and event loops are real."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from hybrid_workers.asgi_first_transport import FirstTransport
from hybrid_workers.asgi_sendfile import send_file
from hybrid_workers.asgi_threshold import Threshold
from hybrid_workers.poller import READ

LIMIT_S = 10.0


class Recorder:
    """A guest that notes what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.data = b""
        self.said: list[str] = []
        self.may_move = True
        self.keeps_open = False
        self.on_data: Callable[[bytes], None] = lambda data: None
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._say("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._say("data")
        self.on_data(data)

    def eof_received(self) -> bool:
        self._say("eof")
        return self.keeps_open

    def connection_lost(self, error: Exception | None) -> None:
        self._say("lost" if error is None else f"lost: {type(error).__name__}")

    def pause_writing(self) -> None:
        self._say("pause")

    def resume_writing(self) -> None:
        self._say("resume")

    def moved(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._say("moved")

    def _say(self, what: str) -> None:
        self.said.append(what)
        self._changed.set()

    async def until(self, what: str, times: int = 1) -> None:
        async with asyncio.timeout(LIMIT_S):
            while self.said.count(what) < times:
                self._changed.clear()
                await self._changed.wait()


class Scene:
    """One connection, over TCP so that it can be reset."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reported: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, what: self.reported.append(what))
        self.threshold = Threshold(self.loop, contextvars.copy_context())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.sock, _ = listener.accept()
        self.sock.setblocking(False)
        self.client.setblocking(False)
        self.guest = Recorder()

    def admit(self) -> Recorder:
        self.threshold.admit(self.sock, self.guest)
        assert self.guest.said == ["made"]
        self.threshold.greet()
        return self.guest

    async def read(self, size: int) -> bytes:
        """So much from the client's end, or all up to the end of the connection."""
        data = b""
        async with asyncio.timeout(LIMIT_S):
            while len(data) < size and (piece := await self.loop.sock_recv(self.client, size - len(data))):
                data += piece
        return data

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.client, data)

    async def moved(self) -> Recorder:
        """On the loop's transport, after two reads."""
        guest = self.admit()
        await self.send(b"1")
        await guest.until("data")
        await self.send(b"2")
        await guest.until("moved")
        return guest

    def close(self) -> None:
        self.client.close()
        self.threshold.close()


Play = Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Iterator[Play]:
    async def played(scenario: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
        scene = Scene()
        try:
            await scenario(scene)
            guest = scene.guest
            if not any(what.startswith("lost") for what in guest.said):
                guest.transport.abort()
                async with asyncio.timeout(LIMIT_S):
                    while not any(what.startswith("lost") for what in guest.said):
                        await asyncio.sleep(0)
            assert sum(what.startswith("lost") for what in guest.said) == 1
        finally:
            scene.close()

    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda scenario: runner.run(played(scenario))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the kernel was asked to watch."""
    asked: list[int] = []
    watch = Threshold.watch

    def noting(threshold: Threshold, transport: FirstTransport, fd: int, before: int, wanted: int) -> None:
        asked.append(wanted)
        watch(threshold, transport, fd, before, wanted)

    monkeypatch.setattr(Threshold, "watch", noting)
    return asked


def test_what_was_sent_already_is_answered_at_once(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        def answer(data: bytes) -> None:
            scene.guest.transport.write(b"answer")
            scene.guest.transport.close()

        scene.guest.on_data = answer
        await scene.send(b"request")
        guest = scene.admit()
        assert guest.said == ["made", "data", "lost"]
        assert guest.data == b"request"
        assert await scene.read(100) == b"answer"

    play(scenario)


def test_who_has_an_answer_by_the_next_turn_and_is_closed_is_never_watched(play: Play, spy: list[int]) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest
        guest.on_data = lambda data: scene.loop.call_soon(guest.transport.close) and None
        await scene.send(b"request")
        scene.admit()
        await guest.until("lost")
        assert await scene.read(1) == b""
        assert spy == []

    play(scenario)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_the_end_is_right_behind_the_answer_and_the_guest_is_told_later(play: Play, how: str) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        guest.transport.write(b"answer")
        getattr(guest.transport, how)()
        scene.client.setblocking(True)  # no turn of the loop
        scene.client.settimeout(LIMIT_S)
        assert scene.client.recv(100) == b"answer"
        assert scene.client.recv(100) == b""
        assert guest.said == ["made"]
        await guest.until("lost")

    play(scenario)


def test_no_file_is_sent_past_a_transport_that_has_ended_before_its_guest_is_told(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        guest.transport.abort()
        connection: Any = SimpleNamespace(transport=guest.transport)
        assert not await send_file(connection, b"head", 0, 0, 1)
        assert guest.said == ["made"]

    play(scenario)


def test_who_stays_is_watched_from_the_next_turn_on(play: Play, spy: list[int]) -> None:
    async def scenario(scene: Scene) -> None:
        scene.guest.may_move = False
        await scene.send(b"request")
        guest = scene.admit()
        assert spy == []
        await asyncio.sleep(0)
        assert spy == [READ]
        await scene.send(b" and more")
        await guest.until("data", 2)
        assert guest.data == b"request and more"

    play(scenario)


def test_who_has_stopped_reading_by_then_is_watched_when_it_reads_again(play: Play, spy: list[int]) -> None:
    async def scenario(scene: Scene) -> None:
        scene.guest.on_data = lambda data: scene.guest.transport.pause_reading()
        await scene.send(b"1")
        guest = scene.admit()
        await scene.send(b"2")
        await asyncio.sleep(0.02)
        assert (guest.data, spy) == (b"1", [])
        guest.transport.resume_reading()
        await guest.until("data", 2)

    play(scenario)


def test_what_is_sent_later_is_read_then(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        assert guest.said == ["made"]
        await scene.send(b"request")
        await guest.until("data")
        assert isinstance(guest.transport, FirstTransport)
        guest.transport.write(b"answer")
        assert await scene.read(6) == b"answer"

    play(scenario)


def test_with_the_second_read_the_connection_moves_to_a_transport_of_the_loop(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = await scene.moved()
        assert not isinstance(guest.transport, FirstTransport)
        await scene.send(b"3")
        await guest.until("data", 3)
        assert guest.data == b"123"
        guest.transport.write(b"answer")
        assert await scene.read(6) == b"answer"
        guest.transport.close()
        await guest.until("lost")
        assert await scene.read(1) == b""

    play(scenario)


def test_it_does_not_move_while_the_guest_has_something_unread(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        scene.guest.may_move = False
        guest = scene.admit()
        for number in range(1, 4):
            await scene.send(b"x")
            await guest.until("data", number)
        assert isinstance(guest.transport, FirstTransport)
        assert "moved" not in guest.said

    play(scenario)


def test_a_guest_that_asks_for_it_moves_at_once_and_is_called_back_then(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest
        called: list[str] = []
        guest.on_data = lambda data: guest.transport.move(lambda: called.append(type(guest.transport).__name__))
        scene.admit()
        await scene.send(b"upgrade")
        await guest.until("moved")
        assert called
        assert called != ["FirstTransport"]

    play(scenario)


def test_what_is_written_while_it_moves_arrives_in_order(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest

        def answer(data: bytes) -> None:
            if data == b"2":
                asyncio.get_running_loop().call_soon(guest.transport.write, b"b")
                guest.transport.write(b"a")

        guest.on_data = answer
        await scene.moved()
        guest.transport.write(b"c")
        assert await scene.read(3) == b"abc"

    play(scenario)


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_closed_while_it_moves_the_client_still_gets_everything(play: Play, size: int) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest
        guest.on_data = lambda data: guest.transport.move()
        scene.admit()
        await scene.send(b"x")
        await guest.until("data")
        guest.transport.write(b"a" * size)
        guest.transport.close()
        assert guest.transport.is_closing()
        assert len(await scene.read(size + 1)) == size
        await guest.until("lost")

    play(scenario)


def test_aborted_while_it_moves_nothing_more_is_written(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest
        guest.on_data = lambda data: guest.transport.move()
        scene.admit()
        await scene.send(b"x")
        await guest.until("data")
        guest.transport.abort()
        await guest.until("lost")
        assert await scene.read(1) == b""

    play(scenario)


def test_what_the_client_does_not_take_is_kept_and_sent_before_the_end(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        size = 20_000_000
        guest.transport.write(b"a" * size)
        assert guest.said == ["made", "pause"]
        assert guest.transport.get_write_buffer_size() > 0
        guest.transport.write(b"b")
        guest.transport.close()
        assert len(await scene.read(size + 2)) == size + 1
        await guest.until("lost")
        assert guest.said == ["made", "pause", "resume", "lost"]

    play(scenario)


def test_the_end_of_our_direction_comes_behind_what_is_written(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        guest.transport.write(b"a" * 5_000_000)
        guest.transport.write_eof()
        assert len(await scene.read(5_000_001)) == 5_000_000
        await scene.send(b"still open")
        await guest.until("data")
        scene.client.close()
        await guest.until("lost")

    play(scenario)


@pytest.mark.parametrize("keeps_open", [False, True])
def test_when_the_client_ends_its_direction_the_guest_decides(play: Play, keeps_open: bool) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        guest.keeps_open = keeps_open
        scene.client.shutdown(socket.SHUT_WR)
        await guest.until("eof")
        if keeps_open:
            guest.transport.write(b"answer")
            assert await scene.read(6) == b"answer"
            assert guest.said == ["made", "eof"]
        else:
            await guest.until("lost")

    play(scenario)


def test_a_reset_is_a_loss_with_its_reason(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        scene.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scene.client.close()
        await guest.until("lost: ConnectionResetError")

    play(scenario)


def test_nothing_is_read_while_reading_is_paused(play: Play) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.admit()
        guest.transport.pause_reading()
        await scene.send(b"x")
        for _ in range(10):
            await asyncio.sleep(0)
        assert guest.said == ["made"]
        guest.transport.resume_reading()
        await guest.until("data")

    play(scenario)


@pytest.mark.parametrize("is_early", [False, True])
def test_what_a_guest_raises_is_reported_and_ends_its_connection_only(play: Play, is_early: bool) -> None:
    async def scenario(scene: Scene) -> None:
        guest = scene.guest

        def fail(data: bytes) -> None:
            raise RuntimeError("of the guest's")

        guest.on_data = fail
        if is_early:
            await scene.send(b"x")
        scene.admit()
        if not is_early:
            await scene.send(b"x")
        await guest.until("lost: RuntimeError")
        assert [str(what["exception"]) for what in scene.reported] == ["of the guest's"]

    play(scenario)
