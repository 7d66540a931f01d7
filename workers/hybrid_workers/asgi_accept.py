"""Taking connections off the listeners of an asgi worker, no more than it has room for.

We accept ourselves instead of leaving it to the event loop's server: libuv accepts until the kernel has no
more, so whichever worker wakes first takes a whole burst while its siblings idle, and it cannot be told to
stop at a number of connections. See docs/decisions for the measurement.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from hybrid.contract import Listener
from hybrid.http.peer import Peer
from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_service import Service

BUDGET = 2
"""Connections accepted per listener and turn of the loop: between two turns a sibling gets its chance."""
BACK_OFF_S = 0.1
"""How long no connection is accepted when there is no descriptor or memory for one."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Owns no socket: listeners belong to the arbiter, connections to their transports."""

    def __init__(self, service: Service, listeners: tuple[Listener, ...], capacity: int) -> None:
        self._service = service
        self._loop = service.loop
        self._listeners = listeners
        self._capacity = capacity
        self._pending: set[asyncio.Task[Any]] = set()
        self._is_accepting = False
        self._is_stopped = False
        service.on_connection_closed = self.resume

    def resume(self) -> None:
        """Accept, if there is room."""
        if self._is_accepting or self._is_stopped or self._is_full:
            return
        self._is_accepting = True
        for listener in self._listeners:
            self._loop.add_reader(listener.socket, self._accept, listener)

    def stop(self) -> None:
        """Accept no more, for good. The listeners stay open: they are not ours."""
        self._is_stopped = True
        self._pause()

    @property
    def _is_full(self) -> bool:
        return len(self._service.connections) + len(self._pending) >= self._capacity

    def _pause(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            for listener in self._listeners:
                self._loop.remove_reader(listener.socket)

    def _accept(self, listener: Listener) -> None:
        for _ in range(BUDGET):
            if self._is_full:
                self._pause()
                return
            try:
                sock, address = listener.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):  # a sibling was quicker, or the client left
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._service.log.error("accept: %s; trying again in %.1f s", error.strerror, BACK_OFF_S)
                self._pause()
                self._loop.call_later(BACK_OFF_S, self.resume)
                return
            self.adopt(sock, self._peer(sock, address))

    def adopt(self, sock: socket.socket, peer: Peer, data: bytes = b"") -> None:
        """Serve a connected socket, which becomes ours. `data` is what was read from it already."""
        sock.setblocking(False)
        service = self._service
        service.accepted += 1
        connection = HttpConnection(service, peer)
        task = self._loop.create_task(self._connect(sock, lambda: connection, data))
        self._pending.add(task)

    async def _connect(self, sock: socket.socket, factory: Callable[[], HttpConnection], data: bytes) -> None:
        try:
            _, connection = await self._loop.connect_accepted_socket(factory, sock)
        except OSError as error:  # reset before we came to it
            self._service.log.debug("accept: %s", error)
            sock.close()
            return
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._pending.discard(task)
        if data:
            connection.data_received(data)
        if self._is_stopped:
            connection.stop()

    def _peer(self, sock: socket.socket, address: Any) -> Peer:
        local = sock.getsockname()
        rules = self._service.rules
        if sock.family == socket.AF_UNIX:
            return rules.meet(None, (local if isinstance(local, str) else os.fsdecode(local), None))
        return rules.meet((address[0], address[1]), (local[0], local[1]))
