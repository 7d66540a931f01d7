"""Where connections of the asgi worker begin: a transport of ours for the first request, the loop's for those behind.

Many connections bring one request and are closed. For these, what costs is the making of a transport: the loop's needs
a task and some turns of the loop before the first byte is read, 8 us of CPU with uvloop and 20 with asyncio. Ours is a
socket and a list, read as soon as it is accepted. For each further read the loop's is cheaper by a little and does
more, so a connection moves there with its second, when nothing waits on either side; it stays in between for a turn of
the loop or two, in which what is written is kept.

One epoll watches all of them, and the loop watches that: a loop's own watchers cost as much as its transports.
"""

from __future__ import annotations

import _socket
import asyncio
import contextvars
import select
import socket
from collections.abc import Coroutine
from typing import Any, Final

from hybrid_workers.asgi_first_transport import FirstTransport, Guest

MOST_AT_ONCE: Final = 64
IS_POSSIBLE: Final = hasattr(select, "epoll")


class Threshold:
    """One per worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        self._loop = loop
        self._context = context
        self._epoll = select.epoll()
        self._transports: dict[int, FirstTransport] = {}
        """Those that are watched."""
        self._ended: list[tuple[FirstTransport, Exception | None]] = []
        self._arrived: list[FirstTransport] = []
        """Those admitted that were not read from."""
        self.unwatched: list[FirstTransport] = []
        """See Keeper."""
        self._is_at_work = False
        """It will look at `_ended` before it returns."""
        self._movers: set[asyncio.Task[None]] = set()
        self.report = loop.call_exception_handler
        loop.add_reader(self._epoll.fileno(), self._on_events)

    def admit(self, sock: _socket.socket, guest: Guest) -> None:
        """Serve a connected, non-blocking socket, which becomes ours, from `greet()` on."""
        transport = FirstTransport(self, sock, guest)
        guest.connection_made(transport)
        self._arrived.append(transport)

    def greet(self) -> None:
        """Read what those that were admitted have sent already, and await more.

        All at once: an answer wakes its client, and one that is awake already costs less to answer.
        """
        arrived = self._arrived
        if arrived:
            self._arrived = []
            self._is_at_work = True
            for transport in arrived:
                try:
                    transport.read()
                except Exception as error:
                    transport.fail(error)
            self._end_all()
            if self.unwatched:
                # Behind the calls that have begun: who has its answer by then and is closed needs no watching.
                self._loop.call_soon(_watch, self.unwatched, context=self._context)
                self.unwatched = []

    def close(self) -> None:
        """The worker ends: all connections have."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _on_events(self) -> None:
        self._is_at_work = True
        transports = self._transports
        for fd, events in self._epoll.poll(0, MOST_AT_ONCE):
            transport = transports.get(fd)
            if transport is not None:  # else it went with an event before this one
                try:
                    transport.on_event(events)
                except Exception as error:
                    transport.fail(error)
        self._end_all()

    # -- for the transports -----------------------------------------------------------------------------

    def watch(self, transport: FirstTransport, fd: int, before: int, wanted: int) -> None:
        if not wanted:
            # Also when it is closed next: the kernel would go on reporting it, if a process that the application has
            # forked, or that was handed the connection, had it open too.
            self._epoll.unregister(fd)
            del self._transports[fd]
        elif before:
            self._epoll.modify(fd, wanted)
        else:
            self._epoll.register(fd, wanted)
            self._transports[fd] = transport

    def end(self, transport: FirstTransport, error: Exception | None) -> None:
        """Soon, as the guest may be in the middle of something."""
        self._ended.append((transport, error))
        if not self._is_at_work and len(self._ended) == 1:
            self._loop.call_soon(self._end_all, context=self._context)

    def _end_all(self) -> None:
        self._is_at_work = False
        ended = self._ended
        if ended:
            self._ended = []
            for transport, error in ended:
                try:
                    transport.end(error)
                except Exception as raised:
                    self.report({"message": "exception in a protocol", "exception": raised, "transport": transport})

    def move(self, transport: FirstTransport, sock: socket.socket) -> None:
        task = self._loop.create_task(self._move(transport, sock), context=self._context)
        self._movers.add(task)
        task.add_done_callback(self._movers.discard)

    async def _move(self, transport: FirstTransport, sock: socket.socket) -> None:
        connecting: Coroutine[Any, Any, Any] = self._loop.connect_accepted_socket(lambda: _Mover(transport), sock)
        try:
            await connecting
        except OSError as error:
            transport.stay(error)


def _watch(transports: list[FirstTransport]) -> None:
    for transport in transports:
        transport.stay_on()


class _Mover(asyncio.Protocol):
    """Takes the loop's transport for as long as that needs to say that it is there."""

    __slots__ = ("_transport",)

    def __init__(self, transport: FirstTransport) -> None:
        self._transport = transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport.moved(transport)  # type: ignore[arg-type]  # of a stream socket
