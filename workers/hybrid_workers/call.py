"""One call of the application: from the complete request to the last byte of the answer.

`run()` goes on until the answer is written or the client does not take more; then the reactor waits
for the client and calls `run()` again. All of the application's code runs in one copy of the context,
so that context variables of one request are never seen by another, nor lost between two chunks.

A call is the exchange that it leads and the response of that, in one object instead of three: making one costs as
much as what most requests do with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from enum import IntEnum
from time import monotonic

from hybrid.errors import ClientGone, DeadlineExceeded
from hybrid.http.overload import Verdict
from hybrid.http.request import CHUNKED, Request
from hybrid.wsgi import BrokenBody, Environ, Input, Piece
from hybrid.wsgi.exchange import Exchange
from hybrid_workers.connection import HIGH_WATER, Connection
from hybrid_workers.deadline import BEAT_AHEAD_S, Step
from hybrid_workers.drain import is_event_stream
from hybrid_workers.reader import Reader
from hybrid_workers.shedding import render
from hybrid_workers.wsgi_service import GONE, WsgiService


class Outcome(IntEnum):
    """How far a call has come."""

    ANSWERED = 0
    """Everything is written and the application has been told: the connection may go on."""
    PARKED = 1
    """The client must take some of what is written: continue with `run()` when it has."""
    BROKEN = 2
    """The answer cannot be completed: the connection must be cut."""
    HELD = 3
    """The application is done, and the whole answer is in `held`: `release()` sends it."""
    WAITING = 4
    """It has not run yet."""


_open: Callable[..., Piece] = vars(Exchange)["open"]
"""As Python calls it, in every build: `Exchange.open` is a function of C in a compiled one."""
_ANSWERED, _PARKED, _BROKEN, _HELD = Outcome.ANSWERED, Outcome.PARKED, Outcome.BROKEN, Outcome.HELD
_WAITING = Outcome.WAITING


class Call(Exchange):
    """One per request. `run()` is called by one thread, the same one each time."""

    # Slots for what every call reads or writes. What few need is a default of the class, and costs the others nothing.
    __slots__ = (
        "_cell",
        "_context",
        "_service",
        "began",
        "connection",
        "environ",
        "held",
        "keeper",
        "may_hold",
        "outcome",
        "started",
    )

    is_detached = False
    """The reactor has ended it for the client and has counted it, while its thread goes on."""
    owes_continue = False
    """The client waits for a 100 before it sends the body."""
    is_client_gone = False
    """Noted by the reactor for the keeper: only `abandon()` is left to do."""
    step = Step.NONE
    step_at = 0.0
    reader: Reader | None = None
    """How fast the client takes the answer, once it did not take all at once."""
    waited_before = 0.0
    """Seconds for which the client was waited for before the application was called."""
    recording: object = None
    """What keeps the bytes of the answer for shadow traffic."""
    ran_s = 0.0
    """How long it ran, and what of the processor's time that took; of sampled calls only."""
    cpu_s = 0.0

    connection: Connection
    started: float
    outcome: Outcome
    may_hold: bool
    """A plain answer may be left in `held`."""
    held: bytes
    keeper: object
    """The thread that runs it, where there are several."""
    began: float
    """When the application's time began; 0 while the call waits for a thread."""
    environ: Environ
    """Until the application has it: it leads back to the call, and both would be left to the garbage collector."""

    _cell: int
    _context: Context
    _service: WsgiService

    @property
    def _sends_files(self) -> bool:  # type: ignore[override]  # nobody sets it in a call
        """Asked for few calls, so not kept by each."""
        return self._service.sends_files

    def _attach_body(self, environ: Environ) -> None:
        connection = self.connection
        first = connection.content
        connection.content = []
        content = first[0] if len(first) == 1 else b"".join(first)
        pull = None
        if connection.is_read:
            if self.request.content_length == CHUNKED:
                self._service.spooling.tell_length(environ, content, connection.spool)
        else:
            pull = connection.pull
            self.source = connection
            self.waited_before = connection.waited(0.0)
            self.owes_continue = self.request.expects_continue
        spool = connection.spool
        if spool is None:
            environ["wsgi.input"] = Input(content, pull)
        else:
            connection.spool = None
            environ["wsgi.input"] = spool.input(content, pull)

    def run(self) -> Outcome:
        """Go on. Never raises: what the application raises is logged, and answered where it still can be."""
        connection = self.connection
        service = self._service
        try:
            if self.outcome is not _WAITING:
                connection.flush()
                outcome = self._advance()
            else:
                if service.is_asked_before:
                    if service.shedder is not None and (verdict := service.shedder.is_late(self.request)) is not None:
                        self.outcome = self._shed(verdict)
                        return self.outcome
                    if service.request_hooks is not None:
                        service.request_hooks.before(self.request)
                environ = self.environ
                if not service.keeps_environ:
                    self.environ = GONE
                piece = self._context.run(_open, self, service.app, environ)
                if (
                    self.may_hold
                    and self.is_complete
                    and type(piece) is bytes
                    and not connection.out_size
                    and (self.is_plain or self.rest is None)
                ):
                    self.held = piece
                    if self.closer is not None:
                        self._close_held()
                    outcome = _HELD
                elif self.is_plain:
                    outcome = _ANSWERED if connection.write(piece) else self._advance()
                else:
                    connection.write(piece)
                    if self.rest is not None:
                        connection.write_file(self.rest)
                    outcome = self._advance()
        except ClientGone:
            self._give_up()
            outcome = _BROKEN
        except BaseException as error:  # whatever it is, it is the application's: SystemExit does not end a worker
            outcome = self._fail(error)
        self.outcome = outcome
        if outcome is not _PARKED:
            connection.call = None
            service.row.end(self._cell)
        return outcome

    def _close_held(self) -> None:
        """The answer is whole, and all that is left of the call is to tell the application."""
        try:
            self._context.run(self.close)
        except BaseException as error:  # as in run(); the answer is what it is
            self._tell(error)

    def _shed(self, verdict: Verdict) -> Outcome:
        """Answer without the application: the time until a thread took the call was too long."""
        connection = self.connection
        connection.call = None
        self.environ = GONE
        self._service.row.end(self._cell)
        if not connection.is_read:
            self.keep_alive = False
        try:
            is_written = connection.write(render(self, verdict))
        except ClientGone:
            return _BROKEN
        return _ANSWERED if is_written else _BROKEN  # who does not take a page of this size is no client

    def release(self) -> None:
        """Send what is held. The call has run to its end, so all that can follow is waiting for the client."""
        if self.outcome is not _HELD:
            return
        connection = self.connection
        try:
            is_written = connection.write(self.held)
        except ClientGone:
            self.outcome = _BROKEN
            return
        self.outcome = _ANSWERED
        if not is_written:
            self.outcome = _PARKED
            self._cell = -1  # its cell is free already
            connection.call = self

    def _advance(self) -> Outcome:
        """Ask for more while the client takes it."""
        connection = self.connection
        while not self.is_complete:
            if connection.out_size > HIGH_WATER:
                return _PARKED
            connection.write(self._context.run(self.advance))
            if self._service.beats_with_pieces:
                now = monotonic()
                self._service.row.beat(now + BEAT_AHEAD_S)
                if now >= self._service.cut_streams_at and is_event_stream(self.header_bytes()):
                    connection.seal()
        if connection.out_size > HIGH_WATER or connection.file is not None:
            return _PARKED  # close() would come too early: a file must stay open
        if self.closer is not None:
            self._context.run(self.close)
        return _PARKED if connection.out_size else _ANSWERED

    def _fail(self, error: BaseException) -> Outcome:
        connection = self.connection
        was_complete = self.is_complete
        self._tell(error)
        answer = None if was_complete else self.fail(error)
        self._give_up()
        if answer is None and not was_complete:
            return _BROKEN
        try:
            if answer is not None:
                connection.write(answer)
            else:
                connection.flush()
        except ClientGone:
            return _BROKEN
        return _ANSWERED if connection.is_flushed else _PARKED

    def _tell(self, error: BaseException) -> None:
        """Log what the application has raised."""
        if isinstance(error, BrokenBody):
            self._service.log.debug("%s", error)
        elif not (isinstance(error, DeadlineExceeded) or self.step is Step.GIVEN_UP):  # of these the log knows
            self._service.log_failure(error, self.request, self.connection)

    def abandon(self) -> None:
        """The client has gone, or is cut off, while the call was parked: let the application clean up."""
        self._give_up()
        self.outcome = _BROKEN
        self.environ = GONE
        self.connection.call = None
        self._service.row.end(self._cell)

    def _give_up(self) -> None:
        try:
            self._context.run(self.close)
        except BaseException as error:
            self._service.log_failure(error, self.request, self.connection)

    @property
    def exchange(self) -> Exchange:
        """What of it is no matter of the connection."""
        return self

    def _send(self, piece: Piece) -> None:
        self.connection.write_wholly(piece, self._service.spooling)

    @property
    def is_all_written(self) -> bool:
        """`run()` would not run any code of the application."""
        return self.connection.is_flushed and self.is_complete and self.closer is None

    @property
    def seconds(self) -> float:
        return monotonic() - self.started


def begin(
    service: WsgiService, connection: Connection, request: Request, now: float, began: float, may_hold: bool
) -> Call:
    """A call, ready to run. `began` is when the application's time began, 0 if the call has to wait for a thread.

    What Response and Exchange have is set here too: one function for all of it, since it is done for each request.
    """
    call = Call.__new__(Call)  # an initializer with as many arguments would cost as much as all of these fields
    call.request = request
    call._prefixes = connection.prefixes or service.prefixes
    call._status = call.status = call.bytes_sent = 0
    call.headers = ()
    call._chunked = call.head_sent = call.is_complete = False
    call.has_body = True
    call._remaining = -1
    call.keep_alive = request.keep_alive and service.keeps_alive
    call.source = call.closer = call.keeper = None
    call.connection = connection
    call.started = now
    call.began = began
    call.may_hold = may_hold
    call.outcome = _WAITING
    call._service = service
    call._context = copy_context()
    template = connection.template
    if template is None:
        template = connection.template = service.environs.template(connection.peer)
    environ: Environ = service.environs.of(request, template)
    environ["wsgi.early_hints"] = call.early_hints
    call.environ = environ
    if service.ledger is not None:
        service.ledger.begin(call)
    if request.content_length:
        call._attach_body(environ)
    call._cell = service.row.begin(now, request.method, request.target, connection.host, request.request_id)
    connection.call = call
    return call
