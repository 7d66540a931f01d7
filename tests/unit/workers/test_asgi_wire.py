"""When pieces of a stream leave alone and when together. The clock, the loop and the transport are the test's."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hybrid.http1.response import LARGE
from hybrid_workers import asgi_wire
from hybrid_workers.asgi_outbox import Outbox
from hybrid_workers.asgi_service import Service
from hybrid_workers.asgi_wire import HASTE_S, HIGH_WATER, Wire

SLOW_S = 2 * HASTE_S
FAST_S = HASTE_S / 100


class Transport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.behind = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, buffers: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(buffers))

    def get_write_buffer_size(self) -> int:
        return self.behind


class Scene:
    """A connection, and the turns of its loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self._soon: list[Callable[[], None]] = []
        self.transport = Transport()
        loop = SimpleNamespace(call_soon=lambda callback, context: self._soon.append(callback))
        outbox = Outbox(cast(Any, loop), contextvars.Context())
        service: Any = Service.__new__(Service)
        service.loop = loop
        service.outbox = outbox
        service.joins_buffers = False
        self.wire = Wire(service)
        self.wire.transport = cast(Any, self.transport)

    def piece(self, content: bytes, after_s: float = FAST_S) -> None:
        self.now += after_s
        self.wire.write_piece((b"<", content, b">"))

    def turn(self) -> None:
        soon, self._soon = self._soon, []
        for callback in soon:
            callback()

    @property
    def written(self) -> list[bytes]:
        writes, self.transport.writes = self.transport.writes, []
        return writes


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr(asgi_wire, "monotonic", lambda: made.now)
    return made


def test_pieces_of_a_slow_producer_leave_at_once(scene: Scene) -> None:
    for _ in range(3):
        scene.piece(b"slow", SLOW_S)
        assert scene.written == [b"<slow>"]


def test_pieces_that_come_fast_leave_together_at_the_end_of_the_turn(scene: Scene) -> None:
    scene.piece(b"1")
    assert scene.written == [b"<1>"]
    scene.piece(b"2")
    scene.piece(b"3")
    assert scene.written == []
    scene.turn()
    assert scene.written == [b"<2><3>"]


def test_a_piece_that_comes_late_finds_none_waiting_behind_it(scene: Scene) -> None:
    scene.piece(b"1")
    scene.piece(b"2")
    scene.piece(b"3", SLOW_S)
    assert scene.written == [b"<1>", b"<2>", b"<3>"]
    scene.turn()
    assert scene.written == []


def test_no_more_is_held_than_the_high_water_mark(scene: Scene) -> None:
    content = bytes(HIGH_WATER // 4)
    for _ in range(10):
        scene.piece(content)
    writes = scene.written
    assert [len(data) // len(content) for data in writes] == [1, 3, 3]
    assert all(len(data) <= HIGH_WATER for data in writes)
    scene.turn()
    assert [len(data) // len(content) for data in scene.written] == [3]


def test_large_pieces_are_not_held(scene: Scene) -> None:
    content = bytes(LARGE)
    scene.piece(b"1")
    scene.piece(b"2")
    scene.piece(content)
    scene.piece(content)
    assert scene.written == [b"<1>", b"<2>", b"<" + content + b">", b"<" + content + b">"]


def test_nothing_is_held_while_the_transport_has_something_to_send(scene: Scene) -> None:
    scene.piece(b"1")
    scene.transport.behind = 1
    scene.piece(b"2")
    scene.piece(b"3")
    assert scene.written == [b"<1>", b"<2>", b"<3>"]


def test_whatever_else_is_written_comes_behind_the_pieces(scene: Scene) -> None:
    scene.piece(b"1")
    scene.piece(b"2")
    scene.wire.write(b"other")
    scene.piece(b"3")
    scene.piece(b"4")
    scene.wire.writelines((b"an", b"oth", b"er"))
    assert scene.written == [b"<1>", b"<2>", b"other", b"<3><4>", b"another"]


def test_pieces_come_behind_the_response_before_them(scene: Scene) -> None:
    scene.piece(b"1")
    scene.wire.unsent = b"answer"
    scene.piece(b"2")
    scene.turn()
    assert scene.written == [b"<1>", b"answer", b"<2>"]
