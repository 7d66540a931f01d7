"""The ledger of an asgi worker, and what stands between a cycle and its connection while an answer is recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hybrid.asgi import Connection, RequestCycle
from hybrid.http.request import Request
from hybrid_workers.ledger import Ledger, Recording

if TYPE_CHECKING:
    from hybrid_workers.asgi_connection import HttpConnection


class AsgiLedger(Ledger):
    """Called in the loop."""

    def begin(self, connection: HttpConnection, request: Request) -> Connection:
        """What the cycle of a request shall write to: the connection, or a recorder in front of it."""
        connection.recorder = None
        if not self.copies:
            return connection
        # The body comes later, if there is one: the recorder is given it as it comes.
        recording = self.begin_copy(request, connection.peer, connection.route, b"")
        if recording is None:
            return connection
        connection.recorder = recorder = Recorder(self, connection, recording)
        return recorder


class Recorder:
    """See hybrid.asgi.Connection."""

    __slots__ = ("_connection", "_ledger", "_recording", "_route", "loop")

    def __init__(self, ledger: AsgiLedger, connection: HttpConnection, recording: Recording) -> None:
        self.loop: asyncio.AbstractEventLoop = connection.loop
        self._ledger = ledger
        self._connection = connection
        self._recording = recording
        self._route = connection.route

    @property
    def is_writable(self) -> bool:
        return self._connection.is_writable

    @is_writable.setter
    def is_writable(self, value: bool) -> None:
        """Only the connection knows."""

    @property
    def body_waited(self) -> float:
        return self._connection.body_waited

    def feed(self, content: bytes) -> None:
        """Content of the request has come."""
        self._recording.take_body(content)

    def write(self, data: bytes, /) -> None:
        self._recording.take(data)
        self._connection.write(data)

    def writelines(self, buffers: tuple[bytes, bytes, bytes], /) -> None:
        for data in buffers:
            self._recording.take(data)
        self._connection.writelines(buffers)

    def write_piece(self, buffers: tuple[bytes, bytes, bytes], /) -> None:
        for data in buffers:
            self._recording.take(data)
        self._connection.write_piece(buffers)

    async def drain(self) -> None:
        await self._connection.drain()

    async def send_file(self, head: bytes, fd: int, offset: int, count: int, /) -> bool:
        return False  # its content is wanted here

    def want_body(self) -> None:
        self._connection.want_body()

    def took_body(self) -> bool:
        return self._connection.took_body()

    def complete(self, cycle: RequestCycle, data: bytes, /) -> None:
        connection = self._connection
        connection.recorder = None
        is_whole = connection.receiver.body is None
        self._recording.take(data)
        connection.complete(cycle, data)
        # In a later turn of the loop: the answer goes out at the end of this one.
        self.loop.call_soon(self._finish, cycle, is_whole)

    def _finish(self, cycle: RequestCycle, is_whole: bool) -> None:
        self._ledger.end_copy(self._recording, self._route, cycle.response, is_whole=is_whole)

    def on_broken(self, cycle: RequestCycle, /) -> None:
        self._connection.recorder = None
        self._connection.on_broken(cycle)
        self._ledger.end_copy(self._recording, self._route, cycle.response, is_whole=False)

    def on_ended(self, cycle: RequestCycle, /) -> None:
        self._connection.on_ended(cycle)

    def report(self, cycle: RequestCycle, what: str, error: BaseException | None, /) -> None:
        self._connection.report(cycle, what, error)
