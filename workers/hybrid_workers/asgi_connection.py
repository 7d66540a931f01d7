"""One HTTP/1.1 connection of the asgi worker: an asyncio protocol between a transport and the request cycle.

Requests are answered one after the other. While the application works we go on reading - only so is a
disconnect noticed - and keep what comes for later, up to a bound at which reading stops. There is no timer
here: the connection notes what it waits for and since when, and the worker's sweeper looks at all of them.

The application is never called from inside the parser: a request is complete before its call begins, and
a pipelined request begins in a turn of the loop of its own.
"""

from __future__ import annotations

import asyncio
import select
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, cast

from hybrid.asgi import TAIL
from hybrid.asgi.request_cycle import RequestCycle
from hybrid.contract.queue import Handed, Kind
from hybrid.errors import ProtocolError
from hybrid.http.peer import Peer
from hybrid.http.proxies import introduce
from hybrid.http.request import Request
from hybrid.http.tls_facts import facts_of
from hybrid.http1.receiver import Receiver
from hybrid.http1.refusal import CONTINUE, refusal
from hybrid.http1.response import Prefixes, Response
from hybrid.websocket import read_opening
from hybrid_workers.asgi_first_transport import FirstTransport
from hybrid_workers.asgi_phase import Phase
from hybrid_workers.asgi_sendfile import send_file
from hybrid_workers.asgi_service import Service, frames_of_cycle
from hybrid_workers.asgi_turn import Turn
from hybrid_workers.asgi_turnstile import CROWD
from hybrid_workers.asgi_websocket import WebSocketSession
from hybrid_workers.asgi_wire import HIGH_WATER, Wire
from hybrid_workers.deadline import END_S
from hybrid_workers.shedding import render

if TYPE_CHECKING:
    import ssl

    from hybrid.asgi import Connection
    from hybrid.routing import Choice
    from hybrid_workers.asgi_ledger import Recorder

DRAIN_BYTES = 256 * 1024
"""How much of an unwanted body is read away to keep a connection."""
EOF_GRACE_S = 1.0
"""How long after the client's FIN a listener in receive() is told that it left.

A FIN may be the end of a request (`nc -N`, some proxies and health checks) or of the client: TCP does not
tell which until we write. So the answer is sent either way, and who only listens for a disconnect hears of it
after this time.
"""
_CUT = ProtocolError(400, "the body ended early", "RFC 9112 section 8")
_IDLE, _SERVING = Phase.IDLE, Phase.SERVING


class HttpConnection(Wire):
    """See the module. Created by the acceptor, registered with the service while its transport is open."""

    __slots__ = (
        "_arrived",
        "_asked",
        "_drained",
        "_has_next",
        "_label",
        "_leaving",
        "_refused",
        "_template",
        "_turn",
        "body_last",
        "body_pace",
        "body_received",
        "body_waited",
        "cycle",
        "eof_at",
        "handed",
        "label",
        "peer",
        "prefixes",
        "receiver",
        "recorder",
        "route",
        "wants_continue",
    )

    def __init__(
        self, service: Service, peer: Peer, refused: ProtocolError | None = None, handed: Handed | None = None
    ) -> None:
        """`refused`: it was not admitted, to be told so. `handed`: it was another worker's: `go_on()` with it."""
        super().__init__(service)
        self.peer = peer
        self.label = peer.label
        self._label = self.label.encode("latin-1", "replace")
        self.receiver = Receiver(service.parser, service.limits)
        self.cycle: RequestCycle | None = None
        self.eof_at = 0.0
        """When the client's FIN came while a response was under way; 0 if it has not."""
        self.prefixes: Prefixes | None = None
        """What the response to the request under way begins with, where that is not as with all others."""
        self._template = service.scopes.template(peer, service.rules.root_path)
        self._has_next = False
        """A request that came while the last one was under way is about to begin."""
        self._turn: Turn | None = None
        """Where requests wait for each other, if this connection's may."""
        self._arrived = b""
        """What came and was left for the turn to look at."""
        self._asked: Request | None = None
        self.handed: Handed | None = None
        """How it came here from another worker, for this request; set until that is read."""
        self.recorder: Recorder | None = None
        """What keeps the answer to the request under way, if a copy of it is wanted."""
        self.route = ""
        """The pattern that chose this worker's pool for the request under way."""
        self.wants_continue = False
        self.body_last = 0.0
        self.body_received = 0
        self.body_waited = 0.0
        """Seconds for which we have waited for bytes of the body under way, up to the last of them."""
        self._drained = 0
        self._leaving: tuple[Request, Choice] | None = None
        """For another pool, as soon as what was written is with the kernel."""
        self._refused = refused
        if handed is not None and refused is None:
            self._take_over(handed)

    # -- the transport calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # of a stream socket
        self.transport.set_write_buffer_limits(HIGH_WATER)
        self.service.connections.add(self)
        connection = transport.get_extra_info("ssl_object")
        if connection is not None:
            self._describe_tls(connection)
        elif not isinstance(transport, FirstTransport):
            self._turn = self.service.turn
        if self._refused is not None:
            # Now and not in a later turn of the loop, in which a request could have been served already.
            self.write(refusal(self._refused, self.service.prefixes))
            self._linger()
        elif self._has_next and b"upgrade" not in self.receiver.buffer.lower():
            self._next()  # now, which saves a turn of the loop; a WebSocket might want to pause the reading
            if not self._is_reading:
                self.loop.call_soon(self._pause_again, context=self.service.context)

    def data_received(self, data: bytes) -> None:
        if self._turn is not None and self.phase is _IDLE and not self.receiver.buffer:
            if not self._arrived:
                self._arrived = data
                self._turn.add(self)
                return
            # More of it at once: a loop may read again what fills its buffer. Looked at piece by piece, the first
            # might give the connection away, and the second be lost.
            self._settle(data)
            return
        self._received(data)

    def _received(self, data: bytes) -> None:
        """Look at it now."""
        phase = self.phase
        if phase is _IDLE or phase <= _IDLE:
            request = self._next_request(data)
            if request is not None:
                self._begin(request)
        elif phase is _SERVING:
            self._read_on(data)
        elif phase is Phase.DRAINING:
            self._drain_away(data)
        # else lingering: what the client still sends is dropped

    def eof_received(self) -> bool:
        """Keep the connection open if the answer to a complete request is still to come (RFC 9112 section 9.6)."""
        if self._arrived:
            self._settle()
        self.flush()
        cycle = self.cycle
        if cycle is not None and self.receiver.body is not None and not cycle.response.head_sent:
            cycle.disconnect()
            self.write(refusal(_CUT, self.service.prefixes))
        is_owed = self.receiver.body is None if cycle is not None else self._has_next
        if not is_owed or not self.transport.can_write_eof():
            return False
        self.eof_at = monotonic()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self._arrived:
            self._settle()
        cycle = self.cycle
        self.phase = Phase.CLOSED
        self.cycle = None
        self.unsent = b""
        self.pieces = None
        service = self.service
        service.connections.discard(self)
        self.is_writable = True
        self._wake_drainers()
        if cycle is not None:
            cycle.disconnect()
            if service.access is not None:
                self._log(cycle, cycle.response.status if cycle.response.head_sent else 499, monotonic())
        service.on_connection_closed()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._has_next:
            self.loop.call_soon(self._next, context=self.service.context)
        if self._leaving is not None:
            request, choice = self._leaving
            self._leaving = None
            self.loop.call_soon(self._leave, request, choice, context=self.service.context)

    # -- for the turn -----------------------------------------------------------------------------

    def look(self) -> None:
        data = self._arrived
        if data:
            self._arrived = b""
            self._asked = self._next_request(data)

    def go_ahead(self) -> None:
        request = self._asked
        if request is not None:
            self._asked = None
            self._begin(request)

    def _settle(self, more: bytes = b"") -> None:
        """Something else happens: look at what was left for later now, with what came behind it."""
        data = self._arrived + more
        self._arrived = b""
        self._received(data)

    # -- for the threshold ------------------------------------------------------------------------

    @property
    def may_move(self) -> bool:
        """All that was received has been looked at, and more may come."""
        return self.phase <= _SERVING and self._is_reading and not self.receiver.buffer and not self._has_next

    def moved(self, transport: asyncio.Transport) -> None:
        """It has the loop's transport from now on, which reads."""
        self.transport = transport
        self._turn = self.service.turn
        self._is_reading = True
        transport.set_write_buffer_limits(HIGH_WATER)

    # -- for the crossroads -----------------------------------------------------------------------

    def _take_over(self, handed: Handed) -> None:
        """What was read elsewhere comes before all that the transport reads, which may begin to before `go_on()`."""
        if handed.ahead:
            self.receiver.ahead = handed.ahead
        self.receiver.buffer = handed.data
        self._has_next = bool(handed.data)
        if handed.kind is not Kind.RELIEF:
            self.handed = handed

    def go_on(self) -> None:
        """Begin with what was read elsewhere, unless that is done: the transport reads from now on."""
        self._next()

    def leave_when_written(self, request: Request, choice: Choice) -> None:
        """The request is another pool's, but something is still to be written here."""
        self._pause_reading()
        self.phase = Phase.LINGERING  # where the rule for clients that do not read is the one that counts
        self.since = monotonic()
        self._leaving = (request, choice)
        self.transport.set_write_buffer_limits(0)

    def _leave(self, request: Request, choice: Choice) -> None:
        if self.phase is not Phase.LINGERING or self.transport.is_closing():
            return
        crossroads = self.service.crossroads
        assert crossroads is not None, "it has said that this connection is to leave"
        self.phase = _IDLE
        if not crossroads.sends(self, request, choice):
            self.transport.set_write_buffer_limits(HIGH_WATER)
            self._resume_reading()
            self._serve(request)

    def forget(self) -> None:
        """Close our end of a connection that is another worker's now."""
        self.phase = Phase.CLOSED
        self.service.connections.discard(self)
        self.transport.abort()  # which reads nothing more from now on

    def turn_away(self, error: ProtocolError) -> None:
        """Answer this, for no fault of the client's."""
        self.write(refusal(error, self.service.prefixes))
        self._linger()

    # -- requests ---------------------------------------------------------------------------------

    def _next_request(self, data: bytes) -> Request | None:
        """Between two requests: a whole head, if that is what has come by now."""
        try:
            request = self.receiver.next_request(data)
        except ProtocolError as error:
            self._refuse(error)
            return None
        if request is None and self.phase is not Phase.HEAD:
            self.phase = Phase.HEAD
            self.since = monotonic()
        return request

    def _begin(self, request: Request) -> None:
        """Call the application with a request whose head is complete."""
        service = self.service
        try:
            introduce(request, self.peer, service.rules)
            if service.crossroads is not None and service.crossroads.takes_away(self, request):
                return
        except ProtocolError as error:
            self._refuse(error)
            return
        self._serve(request)

    def _serve(self, request: Request) -> None:
        service = self.service
        receiver = self.receiver
        if request.upgrade and request.upgrade == b"websocket" and service.speaks_websocket:
            self._upgrade(request)
            return
        self.phase = _SERVING
        has_body = receiver.body is not None
        prefixes = self.prefixes or service.prefixes
        below: Connection = self if service.ledger is None else service.ledger.begin(self, request)
        self.cycle = cycle = service.new_cycle(request, prefixes, below, has_body)
        if service.is_closing_each:
            cycle.response.keep_alive = False
        cycle.started = now = monotonic()
        if has_body:
            self._begin_body(cycle, now)
            if self.cycle is not cycle:  # its first bytes were malformed: refused
                return
        elif receiver.buffer and len(receiver.buffer) >= HIGH_WATER:
            self._pause_reading()
        if service.shedder is not None:
            sock = self.transport.get_extra_info("socket")
            verdict = service.shedder.judge(request, self.peer, sock, len(service.running), now)
            if verdict is not None:
                self.complete(cycle, render(cycle.response, verdict))
                return
        cycle.cell = service.row.begin(now, request.method, request.target, self._label, request.request_id)
        turn = service.turn
        if turn is not None and turn.is_calling:
            turn.queue(self)
        else:
            self.set_out()

    def set_out(self) -> None:
        service = self.service
        cycle = self.cycle
        assert cycle is not None
        service.call(cycle, cycle.run(service.scopes.http(self._template, cycle.request)))

    def _upgrade(self, request: Request) -> None:
        """Hand the transport over to a WebSocket; for the service, that takes the place of this connection."""
        service = self.service
        if isinstance(self.transport, FirstTransport):
            self.transport.move(partial(self._upgrade, request))
            return
        try:
            opening = read_opening(request, deflate=service.settings.ws_per_message_deflate)
        except ProtocolError as error:
            self._refuse(error)
            return
        self.flush()
        session = WebSocketSession(service, self.transport, request, opening, self.prefixes)
        self.transport.set_protocol(session)
        service.connections.discard(self)
        self.phase = Phase.CLOSED
        session.begin(service.scopes.http(self._template, request), self.peer, self.receiver.buffer)

    def _begin_body(self, cycle: RequestCycle, now: float) -> None:
        """Note where the body stands, and hand over what came with the head."""
        receiver = self.receiver
        self.body_last = now
        self.body_received = 0
        self.body_waited = 0.0
        self.body_pace = self.service.deadlines.body_pace()  # not before: most connections never bring a body
        self._drained = 0
        self.wants_continue = cycle.request.expects_continue
        if receiver.buffer:
            self._read_on(b"")
        if self.eof_at and receiver.body is not None and self.cycle is cycle:
            self._spoil(_CUT)  # its end came while the request before was under way

    def _read_on(self, data: bytes) -> None:
        """Bytes while a request is under way: of its body, or of the next request."""
        receiver = self.receiver
        if receiver.body is None:
            receiver.hold(data)
            if len(receiver.buffer) >= HIGH_WATER:
                self._pause_reading()
            return
        try:
            content = receiver.read_body(data)
        except ProtocolError as error:
            self._spoil(error)
            return
        now = monotonic()
        self.body_waited += now - self.body_last
        self.body_last = now
        self.body_received += len(content)
        if content:
            if self.recorder is not None:
                self.recorder.feed(content)
            self.wants_continue = False
        cycle = self.cycle
        assert cycle is not None
        cycle.feed(content, is_complete=receiver.body is None)
        if cycle.buffered >= TAIL and (cycle.buffered >= HIGH_WATER or len(self.service.running) > CROWD):
            self._pause_reading()

    def _next(self) -> None:
        """Begin a request that came while the last one was under way; not before the client has read enough."""
        if not (self._has_next and self.is_writable):
            return  # resume_writing() comes back
        self._has_next = False
        if self.phase <= _IDLE and self.receiver.buffer:
            self._received(b"")
        if self.eof_at and self.phase <= _IDLE and not self._has_next:
            self._close()  # what is left is no whole request, and no more will come

    def _refuse(self, error: ProtocolError) -> None:
        """Answer a request that cannot be served, and read no further one."""
        self.service.admissions.tell_refused(self.peer, error)
        self.write(refusal(error, self.service.prefixes))
        if self.eof_at:
            self._close()  # there is nothing more to read
        else:
            self._linger()

    def _spoil(self, error: ProtocolError) -> None:
        """The body of the request under way is malformed or too long: tell the client if it can be told."""
        cycle = self.cycle
        assert cycle is not None
        self.cycle = None
        cycle.disconnect()
        if cycle.response.head_sent:
            self.service.log.debug("%s from %s, response under way", error, self.label)
            self._break(cycle.response)
        else:
            self._refuse(error)
        if self.service.access is not None:
            self._log(cycle, error.status, monotonic())

    # -- the cycle calls --------------------------------------------------------------------------

    async def send_file(self, head: bytes, fd: int, offset: int, count: int, /) -> bool:
        return await send_file(self, head, fd, offset, count)

    def want_body(self) -> None:
        if self.wants_continue:
            self.wants_continue = False
            cycle = self.cycle
            if cycle is not None and not cycle.response.head_sent:
                self.write(CONTINUE)
        if not self._is_reading:
            self._read_more()

    def took_body(self) -> bool:
        is_crowd = len(self.service.running) > CROWD
        if not self._is_reading:
            self._read_more()
        return is_crowd

    def complete(self, cycle: RequestCycle, data: bytes) -> None:
        service = self.service
        response = cycle.response
        now = monotonic()
        service.answered += 1
        if response.status >= 500:
            service.errors += 1
        if service.ledger is not None:
            service.ledger.count(self.route, response.status, now - cycle.started)
        if service.access is not None:
            self._log(cycle, response.status, now)
        if self.cycle is not cycle:
            return
        self.cycle = None
        receiver = self.receiver
        if receiver.body is None and response.keep_alive and (not self.eof_at or receiver.buffer):
            self.phase = _IDLE
            self.since = now
            if data:
                if self.pieces:
                    self.pieces.append(data)  # it is in the outbox
                else:
                    if self.unsent:
                        self.flush()
                    self.unsent = data
                    service.outbox.add(self, now)
            if receiver.buffer:
                self._has_next = True
                self.loop.call_soon(self._next, context=service.context)
            if not self._is_reading:
                self._resume_reading()
            return
        self.write(data)
        if receiver.body is not None:
            self._leave_body(response)
        elif not self.eof_at and (
            cycle.request.keep_alive or receiver.buffer or self.transport.get_write_buffer_size()
        ):
            self._linger()  # it is we who close, or it takes a while: the client may be sending more
        else:
            self._close()

    def on_broken(self, cycle: RequestCycle) -> None:
        if self.cycle is cycle:
            self.cycle = None
            if self.service.access is not None:
                self._log(cycle, cycle.response.status if cycle.response.head_sent else 499, monotonic())
            self._break(cycle.response)

    def was_answered(self, cycle: RequestCycle) -> None:
        """Another thread has sent the response, while the application held the loop: see standstill."""
        if self.cycle is cycle:
            self.cycle = None
            self.service.answered += 1
            self.service.errors += 1
            if self.service.access is not None:
                self._log(cycle, cycle.response.status, monotonic())
            self._linger()

    def on_ended(self, cycle: RequestCycle) -> None:
        service = self.service
        service.row.end(cycle.cell)
        service.running.discard(cycle)
        if service.stuck:
            service.stuck.discard(cycle)

    def report(self, cycle: RequestCycle, what: str, error: BaseException | None) -> None:
        request = cycle.request
        self.service.log.error(
            "%s: %s %s client=%s",
            what,
            request.method,
            request.target.decode("latin-1"),
            self.label,
            exc_info=error,
        )

    def _describe_tls(self, connection: ssl.SSLObject) -> None:
        """The handshake, in which the client may have shown a certificate, ended just now."""
        self.since = monotonic()
        self.peer.tls = facts_of(connection)
        self._template = self.service.scopes.template(self.peer, self.service.rules.root_path)

    # -- closing ----------------------------------------------------------------------------------

    def _leave_body(self, response: Response) -> None:
        """The response is out and the application did not want (all of) the body.

        Closing now would reset the connection and could take the answer away from the client; so what is left is
        read away, within bounds: then the connection is kept, or at least the client has read its answer.
        """
        if not response.keep_alive or self.wants_continue:
            self._linger()
            return
        self.phase = Phase.DRAINING
        self.since = monotonic()
        self._resume_reading()

    def _drain_away(self, data: bytes) -> None:
        receiver = self.receiver
        self._drained += len(data)
        try:
            receiver.read_body(data)
        except ProtocolError:
            self._linger()
            return
        if receiver.body is None:
            self.phase = _IDLE
            self.since = monotonic()
            if receiver.buffer:
                self._has_next = True
                self.loop.call_soon(self._next, context=self.service.context)
        elif self._drained > DRAIN_BYTES:
            self._linger()

    def stop(self) -> None:
        """The worker stops: close after the response. Between requests it is for the sweeper, after a last chance."""
        if self.cycle is not None:
            self.cycle.response.keep_alive = False

    # -- flow control -----------------------------------------------------------------------------

    def _read_more(self) -> None:
        """The application wants more of a body; where very many do, when its turn has come."""
        if len(self.service.running) > CROWD:
            self.service.turnstile.queue(self)
        else:
            self._resume_reading()

    def pass_on(self) -> None:
        if self.phase is _SERVING:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading:
            self.body_last = monotonic()
            super()._resume_reading()

    # -- the sweeper calls ------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Look whether the client has taken too long, and do what is due without any event."""
        if self._arrived:
            return  # it has not
        waiting = self.transport.get_write_buffer_size() + self.file_left
        if self._is_read_slowly(now, waiting, self.cycle):
            self.service.log.debug("write stalled: %s", self.label)
            self.abort()
            return
        phase = self.phase
        if phase is _SERVING:
            self._sweep_request(now)
        elif now - self.since > self.service.patience[phase]:
            if phase is Phase.HEAD:
                self._refuse(ProtocolError(408, "the request head took too long", "RFC 9110 section 15.5.9"))
            elif phase is Phase.DRAINING:
                self._linger()
            elif phase is Phase.LINGERING and waiting:
                pass  # the write-stall rule decides
            elif phase is Phase.LINGERING:
                self.abort()
            else:
                self._close()

    def _sweep_request(self, now: float) -> None:
        cycle = self.cycle
        assert cycle is not None
        if cycle.holds_head:
            if cycle.is_held:
                cycle.release_head()
            cycle.is_held = True
        if now - cycle.began > self.service.deadline.limit and not cycle.response.head_sent:
            self._sweep_overdue(cycle, now)
            if self.cycle is not cycle:
                return
        if self.eof_at:
            if _is_reset(self.transport):
                self.abort()
            elif now - self.eof_at > EOF_GRACE_S and not cycle.has_left:
                cycle.leave()
        elif self.receiver.body is not None:
            if not self._is_reading or self.wants_continue:
                self.body_last = now
            elif now - self.body_last > self.body_pace.patience(self.body_received, self.body_waited):
                self._spoil(ProtocolError(408, "the request body took too long", "RFC 9110 section 15.5.9"))

    def _sweep_overdue(self, cycle: RequestCycle, now: float) -> None:
        """The request may be over its deadline: see `hybrid_workers.deadline`."""
        service = self.service
        if not cycle.overdue_at:
            waited = self.body_waited - cycle.waited_before
            if self.receiver.body is not None and self._is_reading:
                waited += now - self.body_last
            if now - cycle.began - waited > service.deadline.limit:
                cycle.overdue_at = now
                service.deadline.ending(cycle.request, self.label, now - cycle.began, frames_of_cycle(cycle))
                cycle.expire()
        elif now - cycle.overdue_at > END_S:
            service.deadline.given_up(cycle.request, self.label, now - cycle.began, frames_of_cycle(cycle))
            if cycle in service.running:
                service.running.discard(cycle)
                service.stuck.add(cycle)
            cycle.give_up()

    def postpone(self, seconds: float) -> None:
        """The loop stood still for so long: clients are not to blame for it."""
        self.since += seconds
        self.body_last += seconds
        if self._reader is not None:
            self._reader.postpone(seconds)
        if self.cycle is not None:
            self.cycle.started += seconds

    def _log(self, cycle: RequestCycle, status: int, now: float) -> None:
        access = self.service.access
        assert access is not None
        client = cycle.request.client
        access.log(
            cycle.request,
            status,
            cycle.response.bytes_sent,
            now - cycle.started,
            client[0] if client else "",
            cycle.headers if access.needs_response_headers else None,
        )


def _is_reset(transport: asyncio.Transport) -> bool:
    """The peer has closed altogether: a reset on TCP, the end of the other socket on a unix one."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), 0)
    return bool(poll.poll(0))
