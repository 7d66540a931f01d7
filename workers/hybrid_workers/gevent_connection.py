"""A connection whose requests run in a greenlet of its own, the keeper.

The keeper begins with a request and ends with the connection, or a while after a request that no other followed.
So what an application keeps by greenlet (a database connection, say) lives as long as the client is busy, and is
let go with it; and a connection that is merely kept alive costs no stack.
"""

from __future__ import annotations

import _socket
import select
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from gevent import Greenlet, GreenletExit, get_hub, getcurrent
from gevent.socket import wait_read, wait_write

from hybrid.errors import DeadlineExceeded
from hybrid.http.deadlines import Deadlines
from hybrid.http.peer import Peer
from hybrid.http1.receiver import Receiver
from hybrid_workers.call import Call
from hybrid_workers.connection import Connection

if TYPE_CHECKING:
    from hybrid_workers.tls_transport import TlsTransport

_READ: Final = select.POLLIN


class GreenConnection(Connection):
    """Waits in the hub where the others block."""

    __slots__ = ("keeper", "rested_at")

    def __init__(
        self, sock: _socket.socket | TlsTransport, peer: Peer, receiver: Receiver, deadlines: Deadlines
    ) -> None:
        super().__init__(sock, peer, receiver, deadlines)
        self.keeper: Keeper | None = None
        self.rested_at = 0.0
        """When its last request was answered."""

    def wait(self, events: int, timeout: float) -> bool:
        wait = wait_read if events == _READ else wait_write
        try:
            wait(self.fd, None if timeout == inf else max(0.0, timeout), TimeoutError)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        super().close()
        if self.keeper is not None:
            self.keeper.end()
            self.keeper = None


class Keeper(Greenlet):  # type: ignore[misc]  # gevent is untyped
    """Runs the calls of one connection, one after the other."""

    def __init__(self, settle: Callable[[Call], None]) -> None:
        """`settle` is called in this greenlet with each call that has run, completed or not."""
        super().__init__()
        self.is_over = False
        """It takes no more calls: the connection has ended, or somebody has killed it while it was idle."""
        self._settle = settle
        self._call: Call | None = None
        self.running: Call | None = None
        """The call that it is at, waiting or not."""
        self._has_begun = False

    def give(self, call: Call) -> None:
        """Run a call, or run it on; soon, not at once. It is idle: its last call has been settled."""
        self._call = call
        self._go_on()

    def interrupt(self, call: Call) -> None:
        """Raise DeadlineExceeded in the application, unless it is done with this call by then."""
        get_hub().loop.run_callback(self._interrupt, call)

    def _interrupt(self, call: Call) -> None:
        if self.running is call:
            self.throw(DeadlineExceeded)

    def end(self) -> None:
        """No more calls will come."""
        self.is_over = True
        if getcurrent() is not self:
            self._go_on()

    def _go_on(self) -> None:
        if self._has_begun:
            get_hub().loop.run_callback(self.switch)
        else:
            self._has_begun = True
            self.start()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            self._call = None
            if call.is_client_gone:
                call.abandon()
            else:
                self.running = call
                call.run()
                self.running = None
            self._settle(call)
            call = None  # else what the request held would be held for as long as the client is idle

    def _next(self) -> Call | None:
        wait = get_hub().switch
        while self._call is None and not self.is_over:
            try:
                wait()
            except GreenletExit:
                self.is_over = True
            except BaseException:  # a Timeout that the application has left running: its request is answered
                continue
        return self._call
