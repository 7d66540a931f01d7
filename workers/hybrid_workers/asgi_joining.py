"""The way of a connection from its socket to a transport.

The event loop's coroutine for it waits once, for its next turn. A task around that costs as much as all that it does,
and before Python 3.12 another turn; so it is gone on with by hand, which is possible since no application's code runs
in it and nothing in it asks for the current task.
"""

from __future__ import annotations

import socket
from asyncio import Future
from collections.abc import Callable
from typing import Any

from hybrid.contract.queue import Handed
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid_workers.asgi_connection import HttpConnection
from hybrid_workers.asgi_service import Service


class Joining:
    """One connection; kept by what it waits for."""

    __slots__ = ("_connection", "_ended", "_service", "_sock", "_way")

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        peer: Peer,
        ended: Callable[[], object],
        refused: ProtocolError | None = None,
        handed: Handed | None = None,
    ) -> None:
        """`ended` is called when the service knows the connection, or there is none any more."""
        self._service = service
        self._sock = sock
        self._ended = ended
        connection = self._connection = HttpConnection(service, peer, refused, handed)
        # It has the methods, which is all that counts: see Wire.
        self._way = service.loop.connect_accepted_socket(lambda: connection, sock)  # type: ignore[type-var]

    def go_on(self, waited_for: Future[Any] | None = None) -> None:
        """First from outside, then by what it waits for."""
        try:
            future = self._way.send(None)
        except StopIteration:
            self._ended()
            self._connection.go_on()
        except OSError as error:  # reset before we came to it
            self._service.log.debug("accept: %s", error)
            self._sock.close()
            self._ended()
        else:
            future.add_done_callback(self.go_on, context=self._service.context)
