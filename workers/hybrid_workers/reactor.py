"""The event loop of the WSGI workers: everything about connections that is not the application.

It accepts, reads heads and the first part of bodies, keeps idle connections, waits for clients that are
slow to read, and gives up on those that are too slow. What to do with a complete request, and which
thread runs it, is the runner's: the sync worker's or the gthread worker's.

Registration with the poller is level-triggered and stays as it is while a request is answered, so that a
plain request costs one wait shared with others, one recv and one send.
"""

from __future__ import annotations

import _socket
import socket
from collections import deque
from math import inf
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol

from hybrid.contract import Draining, Listener
from hybrid.contract.scoreboard import Word
from hybrid.errors import ClientGone, DeadlineExceeded, ProtocolError
from hybrid.http.deadlines import LINGER_S
from hybrid.http.overload import Verdict
from hybrid.http.peer import Peer
from hybrid.http.proxies import introduce
from hybrid.http.request import Request
from hybrid.http1.interim import CONTINUE
from hybrid.http1.receiver import Receiver
from hybrid.http1.refusal import refusal
from hybrid.http1.response import Response
from hybrid_workers.accepting import Acceptor
from hybrid_workers.call import Call, Outcome
from hybrid_workers.connection import HIGH_WATER, READ_SIZE, Connection, Phase
from hybrid_workers.deadline import Enforcer
from hybrid_workers.drain import cut_streams_at, drain_delay, is_event_stream
from hybrid_workers.entrance import Entrance
from hybrid_workers.poller import READ, WRITE, Poller, open_poller
from hybrid_workers.reader import Reader
from hybrid_workers.shedding import render
from hybrid_workers.wakeup import Wakeup
from hybrid_workers.wsgi_service import WsgiService

if TYPE_CHECKING:
    from hybrid_workers.crossroads import Crossroads
    from hybrid_workers.tls_transport import TlsTransport

TICK_S: Final = 0.2
"""How often deadlines are looked at."""
BODY_READ_SIZE: Final = 256 * 1024
BODY_READS: Final = 4
"""How often in a row a body is read whose client is ahead of us. A body that is read to its end before the next one is
begun is still in the processor's cache when the application gets it, and its memory is free again for the next.
"""
LAST_CHANCE_S: Final = 1.0
"""When the worker stops, a connection idle for less than this may bring one more request: it may be on its way."""
_LOW_WATER: Final = HIGH_WATER // 2
_ANSWERED, _PARKED = Outcome.ANSWERED, Outcome.PARKED
_IDLE, _HEAD, _BODY, _BUSY, _WRITING = Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.BUSY, Phase.WRITING
_CLOSED = Phase.CLOSED
_CONNECTIONS: Final = int(Word.CONNECTIONS)
_ACCEPTED: Final = int(Word.ACCEPTED)
_ACTIVE: Final = int(Word.ACTIVE)


class Runner(Protocol):
    """Runs the application. All methods are called in the reactor's thread; each call ends with `settle()`."""

    def start(self, connection: Connection, request: Request) -> None:
        """A request has come, with the first part of its body."""

    def resume(self, call: Call) -> None:
        """The client has taken what was written: `call.run()` may go on."""

    def abandon(self, call: Call) -> None:
        """The client of a parked call has gone: `call.abandon()`."""

    def flush(self) -> None:
        """A batch of events is over: send what is held back, and settle its calls."""

    def release(self) -> None:
        """A call is about to wait for its client: send what is held back. Called in the call's thread."""

    leaves_requests: bool
    """What there is no room for is left to a sibling that has some."""

    def has_room(self) -> bool:
        """A further connection would be served soon."""

    def is_stuck(self, now: float) -> bool:
        """There is no room, and it is not known that there will be some soon."""

    def frames(self, call: Call) -> list[FrameType]:
        """Where the application is with a call, outermost first."""

    def interrupt(self, call: Call) -> None:
        """Raise DeadlineExceeded in the application."""

    def part(self, call: Call) -> None:
        """The call cannot be ended and its client has been answered: let other calls not wait for it."""


class Reactor:
    """One per worker, in its main thread."""

    def __init__(
        self,
        service: WsgiService,
        listeners: tuple[Listener, ...],
        runner: Runner,
        poller: Poller | None = None,
        connection_class: type[Connection] = Connection,
    ) -> None:
        self.returned: deque[Call] = deque()
        """Calls that other threads have brought back, to be settled. They also wake the loop where it cannot wait."""
        self.wakeup = Wakeup()
        self.is_stopping = False
        self.active = 0
        """Requests in the application's hands, those of slow readers included."""
        self._service = service
        self._runner = runner
        self._deadlines = service.deadlines
        self._channel = service.context.channel
        self._words = service.row.words
        self._poller = poller or open_poller()
        self.has_room = runner.has_room
        self._release = runner.release
        self._connection_class = connection_class
        self.connections: dict[int, Connection] = {}
        self.crossroads: Crossroads | None = None
        if service.context.crossing is not None and service.context.tls is None:
            from hybrid_workers.crossroads import Crossroads

            self.crossroads = Crossroads(self, service, self._poller, relieves=runner.leaves_requests)
        self._takes_away = self.crossroads.takes_away if self.crossroads and self.crossroads.takes_requests else None
        self._admissions = service.admissions
        self._entrance = Entrance(service.admissions, self._poller, self)
        self.pipelined: deque[Connection] = deque()
        """Connections whose next request has been read already: pipelined."""
        self._admitted: tuple[Listener, ...] = ()
        self.acceptor = Acceptor(self, service, self._poller, self._entrance, listeners)
        self._has_siblings = self.acceptor.has_siblings
        self._shedder = service.shedder
        self._is_choosy = self._has_siblings or service.shedder is not None
        """There is more to a request than to start it."""
        self._is_marked = False
        """The scoreboard says that there are requests."""
        self._rules = service.rules
        self._patience = service.deadlines.keepalive
        """How long a connection may be idle."""
        self._enforcer = Enforcer(service.context, self)
        self.limit = self._enforcer.limit
        """Of a request in the application; seconds."""
        self.frames = runner.frames
        self.interrupt = runner.interrupt
        self._wanted_stop = ""
        self._is_over = False
        self._now = 0.0
        self._stop_at = 0.0
        self._close_at = inf
        self._cut_streams_at = inf

    # -- the loop -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until stopped."""
        poll = self._poller.poll
        connections = self.connections
        crossroads = self.crossroads
        acceptor = self.acceptor
        most = self._service.context.settings.worker_connections + 16
        returned = self.returned
        ready = self.pipelined
        flush = self._runner.flush
        self._poller.register(self.wakeup.fileno(), READ)
        self._poller.register(self._channel.fileno(), READ)
        self._now = next_tick = monotonic()
        next_second = self._now + 1.0
        while not self._is_over:
            # A batch may take long, when the application does. What has come by now is in this batch and is
            # looked at before any deadline is; so no client is cut off because we were late.
            if not acceptor.is_accepting:
                acceptor.listen(self._now)
            if crossroads is not None and not crossroads.is_receiving:
                crossroads.listen()
            wake_at = next_tick
            if self._now < acceptor.again_at < next_tick and not acceptor.is_accepting:
                wake_at = acceptor.again_at
            events = poll(0 if ready or returned else max(0.0, wake_at - monotonic()), most)
            now = self._now = monotonic()
            if returned:
                self._settle_returned()
            for fd, _ in events:
                connection = connections.get(fd)
                if connection is not None:
                    self._on_event(connection)
                else:
                    self._on_other(fd, now)
                if self._wanted_stop == "quick":
                    break  # a batch of slow requests is many seconds
            flush()
            if ready:
                for _ in range(len(ready)):
                    self._on_pipelined(ready.popleft())
                flush()
            if returned:
                self._settle_returned()
            if self._words[_ACTIVE] != self.active:
                self._words[_ACTIVE] = self.active
            self._is_marked = self.active > 0
            if self._wanted_stop:
                self._stop(monotonic())
            if now >= next_tick:
                next_tick = now + TICK_S
                self._service.tick(now, is_new_second=now >= next_second)
                if now >= next_second:
                    next_second = now + 1.0
                self._sweep(now)
        self._service.tick(monotonic(), is_new_second=False)

    def stop(self, *, graceful: bool) -> None:
        """Record and wake: for signal handlers."""
        if self._wanted_stop != "quick":
            self._wanted_stop = "graceful" if graceful else "quick"
        self.wakeup.wake()

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        """Accept from these from now on, and close those before. For other threads."""
        self._admitted = listeners
        self.wakeup.wake()

    def _on_other(self, fd: int, now: float) -> None:
        """An event that is no connection's."""
        if fd in self.acceptor:
            self.acceptor.accept(fd, now)
        elif fd in self._entrance:
            self._entrance.on_event(fd, now)
        elif self.crossroads is not None and fd == self.crossroads.fd:
            self.crossroads.on_event(now)
        elif fd == self.wakeup.fileno():
            self.wakeup.clear()
            if self._admitted:
                self.acceptor.admit(self._admitted)
                self._admitted = ()
        elif fd == self._channel.fileno():
            self._channel.receive()
            if not self._channel.is_open:
                self._poller.unregister(fd)
                self._service.log.info("Parent changed, shutting down: worker")
                self.stop(graceful=True)

    # -- connections ----------------------------------------------------------------------------------

    def adopt(self, sock: _socket.socket | TlsTransport, peer: Peer, now: float, *, is_new: bool = True) -> Connection:
        """Serve a connected, non-blocking socket from now on. `is_new`: nobody else has accepted and counted it."""
        service = self._service
        connection = self._connection_class(sock, peer, Receiver(service.parser, service.limits), service.deadlines)
        connection.deadline = now + (LAST_CHANCE_S if self.is_stopping else self._deadlines.first_byte)
        connection.watched = READ
        if self._has_siblings:
            self.acceptor.expect(now)
        connection.before_wait = self._release
        fd = connection.fd
        self._poller.register(fd, READ)
        self.connections[fd] = connection
        words = self._words
        words[_ACCEPTED] += is_new
        words[_CONNECTIONS] = len(self.connections)
        return connection

    def turn_away(self, sock: socket.socket, peer: Peer, error: ProtocolError, now: float) -> None:
        """Say why a connection was not admitted, and close it."""
        self._last_words(self.adopt(sock, peer, now), refusal(error, self._service.prefixes))

    # -- for the crossroads -------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return self.acceptor.is_full

    @property
    def is_closed(self) -> bool:
        return self.acceptor.is_closed

    def has_spare_room(self) -> bool:
        return self.acceptor.has_room(self._now)

    def is_stuck(self, now: float) -> bool:
        return self._runner.is_stuck(now)

    def go_on(self, connection: Connection, data: bytes, now: float) -> None:
        """Another worker has read this from a connection that was adopted; b"": some may have come."""
        self._now = now
        if data:
            self._read_head(connection, data)
        else:
            self._on_event(connection)

    def is_wanted(self) -> bool:
        """Somebody waits for the loop to come round. For the application's side of its own thread."""
        return bool(self.pipelined or self._wanted_stop or self._poller.poll(0, 1))

    def forget(self, connection: Connection) -> None:
        """Close our end of a connection that is another worker's now."""
        self.acceptor.met()
        self._drop(connection)

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        """Answer this, for no fault of the client's."""
        self._last_words(connection, refusal(error, self._service.prefixes))

    # -- reading ------------------------------------------------------------------------------------

    def _on_event(self, connection: Connection) -> None:
        phase = connection.phase
        if phase is _IDLE or phase <= _HEAD:
            if phase is _IDLE and connection.receiver.buffer:
                return  # what was sent ahead comes first, and what we are told may be the client's FIN behind it
            try:
                data = connection.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._drop(connection)
                return
            if data:
                self._read_head(connection, data)
            else:
                self._drop(connection)
        elif phase is _WRITING:
            self._on_writable(connection)
        elif phase is _BODY:
            self._read_body(connection)
        elif phase is _BUSY:
            # The next request, or the end of the connection: either can wait until this one is answered.
            self.watch(connection, 0)
        elif phase is Phase.LINGER:
            self._discard(connection)

    def _on_pipelined(self, connection: Connection) -> None:
        # An event may have come before its turn: then the next request is under way already, or the connection gone.
        if connection.phase == Phase.IDLE:
            self._read_head(connection, b"")

    def _read_head(self, connection: Connection, data: bytes) -> None:
        try:
            request = connection.receiver.next_request(data)
        except ProtocolError as error:
            self._refuse(connection, error)
            return
        if request is None:
            if connection.phase != Phase.HEAD:
                connection.phase = Phase.HEAD
                connection.deadline = self._now + self._deadlines.head
            return
        try:
            introduce(request, connection.peer, self._rules)
            if self._takes_away is not None and self._takes_away(connection, request, self._now):
                return
        except ProtocolError as error:
            self._refuse(connection, error)
            return
        if request.content_length:
            self._begin_body(connection, request)
        else:
            self._dispatch(connection, request)

    def _begin_body(self, connection: Connection, request: Request) -> None:
        content = connection.receiver.read_whole()
        if content is not None:
            connection.content = [content]
            self._dispatch(connection, request)
            return
        connection.request = request
        connection.start_body()
        if connection.receiver.buffer:
            is_ahead = len(request.head) + len(connection.receiver.buffer) >= READ_SIZE
            if self._collect_body(connection, b"") and is_ahead:
                self._read_body(connection)
        elif not request.expects_continue:
            connection.wait_for_body(self._now)
        elif self._service.spooling.leaves_asking(connection):
            self._start(connection)  # nothing comes before the application has asked for it
        else:
            self._ask_for_body(connection)

    def _ask_for_body(self, connection: Connection) -> None:
        try:
            connection.write(CONTINUE)
        except ClientGone:
            self._drop(connection)
        else:
            connection.wait_for_body(self._now)

    def _read_body(self, connection: Connection) -> None:
        """Read what has come of a body, at most BODY_READS times: others wait for their turn."""
        for _ in range(BODY_READS):
            body = connection.receiver.body
            assert body is not None, "a body is read to its end and no further"
            size = min(body.remaining, BODY_READ_SIZE)
            try:
                data = connection.recv(size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._drop(connection)
                return
            if not data:
                self._refuse(connection, ProtocolError(400, "the body ended early", "RFC 9112 section 8"))
                return
            if not self._collect_body(connection, data) or len(data) < size:
                return

    def _collect_body(self, connection: Connection, data: bytes) -> bool:
        """Take in bytes of a body, and start the call if that is enough. False if no more is to be read here."""
        service = self._service
        try:
            connection.take_content(data)
            has_enough = connection.is_read or (
                connection.content_size >= service.body_buffer and not service.spooling.take(connection)
            )
        except ProtocolError as error:
            self._refuse(connection, error)
            return False
        connection.wait_for_body(self._now)
        if has_enough:
            self._start(connection)
        return not has_enough

    def _start(self, connection: Connection) -> None:
        request = connection.request
        assert request is not None, "a body without its request"
        connection.request = None
        self._dispatch(connection, request)

    def _dispatch(self, connection: Connection, request: Request) -> None:
        if self._is_choosy and self._sheds(connection, request):
            return
        self.active += 1
        if not self._is_marked:
            self._is_marked = True
            self._words[_ACTIVE] = 1  # how many they are is written when the batch is over
        if self._has_siblings and self.acceptor.is_accepting and not self._runner.has_room():
            self.acceptor.leave(self._now)
        self._runner.start(connection, request)

    def _sheds(self, connection: Connection, request: Request) -> bool:
        """Answer the request if there are too many of them."""
        self.acceptor.met()
        if self._shedder is None:
            return False
        if self.active >= self._shedder.limit:
            self._runner.flush()
        verdict = self._shedder.judge(request, connection.peer, connection.socket, self.active, self._now)
        if verdict is None:
            return False
        self._answer(connection, request, verdict)
        return True

    # -- after the application ----------------------------------------------------------------------

    def settle(self, call: Call, now: float) -> None:
        """A run of a call has ended: see to its connection."""
        outcome = call.outcome
        connection = call.connection
        if outcome is _ANSWERED:
            self.active -= 1
            self._account(call)
            if call.keep_alive:  # which it was told, even if the worker stops now
                self._await_next(connection, now)
            else:
                self._finish(connection, call.request)
        elif outcome is _PARKED:
            connection.phase = _WRITING
            if call.reader is None:
                call.reader = Reader(self._deadlines, connection.fd)
            connection.deadline = call.reader.wait(now, connection.flushed)
            self.watch(connection, WRITE)
        else:
            self.active -= 1
            self._account(call)
            if not call.is_self_delimiting:
                connection.reset()
            self._drop(connection)

    def _account(self, call: Call) -> None:
        """A call is over: count it, in this thread only."""
        service = self._service
        service.requests += 1
        if service.is_observed or call.status >= 500:
            service.observe(call)

    def give_up(self, call: Call) -> None:
        """Answer a call that cannot be ended; its thread goes on without a connection."""
        page = call.exchange.fail(DeadlineExceeded())
        if page is None:  # it has begun to answer after all, and will find itself sealed
            return
        connection = call.connection
        call.is_detached = True
        self.active -= 1
        self._words[_ACTIVE] = self.active
        self._is_marked = self.active > 0
        self._account(call)
        self._runner.part(call)
        connection.unseal()
        self._last_words(connection, page)

    def _settle_returned(self) -> None:
        returned = self.returned
        now = monotonic()
        while returned:
            call = returned.popleft()
            if not call.is_detached:
                self.settle(call, now)

    def _await_next(self, connection: Connection, now: float) -> None:
        connection.phase = _IDLE
        connection.deadline = now + self._patience
        if connection.watched != READ:
            self.watch(connection, READ)
        if connection.receiver.buffer:
            self.pipelined.append(connection)

    def _on_writable(self, connection: Connection) -> None:
        call: Call = connection.call
        try:
            connection.flush()
        except ClientGone:
            self._abandon(connection)
            return
        if connection.out_size > _LOW_WATER or (call.exchange.rest is not None and not connection.is_flushed):
            return
        if connection.is_flushed or not call.exchange.response.is_complete:
            if call.reader is not None:
                call.reader.go_on(monotonic())
            connection.phase = Phase.BUSY
            self._runner.resume(call)

    def _abandon(self, connection: Connection) -> None:
        call: Call = connection.call
        connection.phase = Phase.BUSY
        self.watch(connection, 0)
        self._runner.abandon(call)

    # -- ending -------------------------------------------------------------------------------------

    def _answer(self, connection: Connection, request: Request, verdict: Verdict) -> None:
        """Answer without the application."""
        service = self._service
        connection.forget_body()
        response = Response(request, service.prefixes)
        if not (service.keeps_alive and connection.is_read):
            response.keep_alive = False
        page = render(response, verdict)
        service.account_without(request, response)
        try:
            is_written = connection.write(page)
        except ClientGone:
            self._drop(connection)
            return
        if response.keep_alive and is_written:
            self._await_next(connection, monotonic())
        else:
            self._linger(connection)

    def _refuse(self, connection: Connection, error: ProtocolError) -> None:
        """Say why, and read no more requests."""
        self._admissions.tell_refused(connection.peer, error)
        self._last_words(connection, refusal(error, self._service.prefixes))

    def _last_words(self, connection: Connection, page: bytes) -> None:
        try:
            connection.write(page)
        except ClientGone:
            self._drop(connection)
        else:
            self._linger(connection)  # a page is small: it is in the kernel's buffer, or the client is no client

    def _finish(self, connection: Connection, request: Request) -> None:
        """Close after a complete answer. Where it is we who close, the next request may be on its way."""
        receiver = connection.receiver
        if request.keep_alive or receiver.body is not None or receiver.buffer or connection.has_unread:
            self._linger(connection)
        else:
            self._drop(connection)

    def _linger(self, connection: Connection) -> None:
        """Closing with bytes unread resets the connection, and the client may lose the answer: read on for a while."""
        connection.finish_writing()
        connection.phase = Phase.LINGER
        connection.deadline = monotonic() + (LAST_CHANCE_S if self.is_stopping else LINGER_S)
        self.watch(connection, READ)

    def _discard(self, connection: Connection) -> None:
        try:
            if connection.recv(READ_SIZE):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Close."""
        if connection.phase is _CLOSED:
            return
        connection.phase = _CLOSED
        self.watch(connection, 0)  # the kernel would report a closed one too, if a process that was forked had it open
        del self.connections[connection.fd]
        connection.close()
        self._words[_CONNECTIONS] = len(self.connections)

    def watch(self, connection: Connection, events: int) -> None:
        """Have the poller report these events; 0: none, not even the end of the connection."""
        before, connection.watched = connection.watched, events
        if before == events:
            return
        if not before:
            self._poller.register(connection.fd, events)
        elif events:
            self._poller.modify(connection.fd, events)
        else:
            self._poller.unregister(connection.fd)

    # -- time ---------------------------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        for connection in [one for one in self.connections.values() if one.deadline <= now]:
            self._expire(connection)
        if self._entrance:
            self._entrance.sweep(now)
        self.acceptor.look(now)
        if now >= self._close_at:
            self._close_at = inf
            self.acceptor.close(now)
        if now >= self._cut_streams_at:
            self._cut_streams()
        if self.crossroads is not None:
            self.crossroads.sweep(now)
        if self.acceptor.is_closed and (not (self.connections or self._entrance) or now >= self._stop_at):
            self._is_over = self.crossroads is None or self.crossroads.is_done(is_late=now >= self._stop_at)
        self._runner.flush()

    def _cut_streams(self) -> None:
        """Event streams end by nature with the client only: let their next piece find that it has gone."""
        self._cut_streams_at = inf
        for connection in self.connections.values():
            call: Call | None = connection.call
            if call is not None and is_event_stream(call.exchange.header_bytes()):
                connection.seal()

    def _expire(self, connection: Connection) -> None:
        match connection.phase:
            case Phase.HEAD:
                self._refuse(connection, ProtocolError(408, "the request head came too slowly", _RFC_408))
            case Phase.BODY:
                self._refuse(connection, ProtocolError(408, "the body came too slowly", _RFC_408))
            case Phase.WRITING:
                reader: Reader = connection.call.reader
                if reader.is_slow(self._now, connection.flushed):
                    connection.reset()
                    self._abandon(connection)
                else:
                    connection.deadline = reader.deadline
            case Phase.BUSY:
                call: Call | None = connection.call
                connection.deadline = inf if call is None else self._enforcer.look(call, self._now)
            case _:
                self._drop(connection)

    def _stop(self, now: float) -> None:
        """Act on what `stop()` recorded."""
        if self._wanted_stop == "quick":
            self._is_over = True
            return
        self._wanted_stop = ""
        if self.is_stopping:
            return
        self.is_stopping = True
        self._patience = LAST_CHANCE_S
        settings = self._service.context.settings
        self._close_at = now + drain_delay(self._service.context)
        self._cut_streams_at = cut_streams_at(self._service.context, now)
        self._service.keeps_alive = False
        self._stop_at = self._close_at + settings.graceful_timeout
        self._channel.send(Draining("stop"))
        self._entrance.hurry(now + LAST_CHANCE_S)
        for connection in list(self.connections.values()):
            if connection.phase == Phase.IDLE:
                idle_since = connection.deadline - self._deadlines.keepalive
                connection.deadline = min(connection.deadline, idle_since + LAST_CHANCE_S)
            elif connection.phase == Phase.FIRST:
                connection.deadline = min(connection.deadline, now + LAST_CHANCE_S)
        self._sweep(now)


_RFC_408: Final = "RFC 9110 section 15.5.9"
