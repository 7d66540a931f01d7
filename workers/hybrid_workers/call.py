"""One call of the application: from the complete request to the last byte of the answer.

`run()` goes on until the answer is written or the client does not take more; then the reactor waits
for the client and calls `run()` again. All of the application's code runs in one copy of the context,
so that context variables of one request are never seen by another, nor lost between two chunks.
"""

from __future__ import annotations

from contextvars import copy_context
from enum import IntEnum
from time import monotonic

from hybrid.errors import ClientGone
from hybrid.http.request import Request
from hybrid.wsgi import BrokenBody, Environ, Exchange, Input
from hybrid_workers.connection import HIGH_WATER, Connection
from hybrid_workers.wsgi_service import WsgiService


class Outcome(IntEnum):
    """How far a call has come."""

    ANSWERED = 0
    """Everything is written and the application has been told: the connection may go on."""
    PARKED = 1
    """The client must take some of what is written: continue with `run()` when it has."""
    BROKEN = 2
    """The answer cannot be completed: the connection must be cut."""


class Call:
    """One per request. `run()` is called by one thread, the same one each time."""

    __slots__ = (
        "_cell",
        "_context",
        "_opened",
        "_service",
        "connection",
        "environ",
        "exchange",
        "keeper",
        "outcome",
        "owes_continue",
        "request",
        "started",
    )

    def __init__(self, service: WsgiService, connection: Connection, request: Request, now: float) -> None:
        self._service = service
        self.connection = connection
        self.request = request
        self.started = now
        self.owes_continue = False
        """The client waits for a 100 before it sends the body."""
        self.keeper: object = None
        """The thread that runs it, where there are several."""
        self.outcome = Outcome.PARKED
        exchange = Exchange(request, service.prefixes, connection.write_wholly, sends_files=service.sends_files)
        self.exchange = exchange
        if connection.template is None:
            connection.template = service.environs.template(connection.peer)
        environ = service.environs.of(request, connection.template)
        environ["wsgi.early_hints"] = exchange.early_hints
        if request.content_length:
            first = connection.content
            connection.content = []
            is_read = connection.is_read
            if not is_read:
                exchange.source = connection
                self.owes_continue = request.expects_continue
            environ["wsgi.input"] = Input(
                first[0] if len(first) == 1 else b"".join(first), None if is_read else connection.pull
            )
        if not service.keeps_alive:
            exchange.response.keep_alive = False
        self.environ: Environ = environ
        self._context = copy_context()
        self._opened = False
        peer = connection.peer.client
        self._cell = service.row.begin(now, request.method, request.target, peer[0] if peer else "unix")
        connection.call = self

    def run(self) -> Outcome:
        """Go on. Never raises: what the application raises is logged, and answered where it still can be."""
        outcome = self.outcome = self._run()
        if outcome != Outcome.PARKED:
            self.connection.call = None
            self._service.row.end(self._cell)
        return outcome

    def _run(self) -> Outcome:
        connection = self.connection
        exchange = self.exchange
        response = exchange.response
        context = self._context
        try:
            if not self._opened:
                self._opened = True
                connection.write(context.run(exchange.open, self._service.app, self.environ))
                if exchange.file is not None:
                    connection.write_file(exchange.file)
            else:
                connection.flush()
            while not response.is_complete:
                if connection.out_size > HIGH_WATER:
                    return Outcome.PARKED
                connection.write(context.run(exchange.advance))
            if not connection.is_flushed and (exchange.file is not None or connection.out_size > HIGH_WATER):
                return Outcome.PARKED
            if exchange.needs_close:
                context.run(exchange.close)
            return Outcome.ANSWERED if connection.is_flushed else Outcome.PARKED
        except ClientGone:
            self._give_up()
            return Outcome.BROKEN
        except BaseException as error:  # whatever it is, it is the application's: SystemExit does not end a worker
            return self._fail(error)

    def _fail(self, error: BaseException) -> Outcome:
        connection = self.connection
        exchange = self.exchange
        was_complete = exchange.response.is_complete
        if isinstance(error, BrokenBody):
            self._service.log.debug("%s", error)
        else:
            self._service.log_failure(error, self.request, connection)
        answer = None if was_complete else exchange.fail(error)
        self._give_up()
        if answer is None and not was_complete:
            return Outcome.BROKEN
        try:
            if answer is not None:
                connection.write(answer)
            else:
                connection.flush()
        except ClientGone:
            return Outcome.BROKEN
        return Outcome.ANSWERED if connection.is_flushed else Outcome.PARKED

    def abandon(self) -> None:
        """The client has gone, or is cut off, while the call was parked: let the application clean up."""
        self._give_up()
        self.outcome = Outcome.BROKEN
        self.connection.call = None
        self._service.row.end(self._cell)

    def _give_up(self) -> None:
        try:
            self._context.run(self.exchange.close)
        except BaseException as error:
            self._service.log_failure(error, self.request, self.connection)

    @property
    def seconds(self) -> float:
        return monotonic() - self.started
