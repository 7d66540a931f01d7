"""A WebSocket of the asgi worker: an asyncio protocol between a transport, its frames and the application.

It takes the transport over from the HttpConnection on which the opening handshake came, and takes its place
among the service's connections: stopped, swept and counted like it. To the service its call is one more call
of the application, like a request's cycle.

A message costs a future and a dict on the way in and one write on the way out. There is no task, queue or timer
per message, nor a timer per connection: the sweeper asks for pings and deadlines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from hybrid.asgi import Message, Scope, Waiters, is_departure, wait_among, wake
from hybrid.errors import ClientGone
from hybrid.http.deadlines import LINGER_S
from hybrid.http.overload import RETRY_AFTER_S
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.refusal import plain_page
from hybrid.http1.response import Prefixes, Response
from hybrid.websocket import Connection, Deflate, Keepalive, Opening, State, Verdict, acceptance, frames
from hybrid_workers.asgi_flow import Flow

if TYPE_CHECKING:
    from hybrid_workers.asgi_service import Service

HIGH_WATER: Final = 64 * 1024
"""Bytes that may wait in either direction before the other side is made to wait."""
SERVICE_RESTART: Final = 1012
BURST: Final = 64
"""After so many messages send() lets the loop run: on a transport that takes everything nothing else would."""
_SCHEMES: Final = {"http": "ws", "https": "wss"}
_NOTHING_YET: Final[deque[str | bytes]] = deque()


class Phase(IntEnum):
    CONNECTING = 0
    """The application has not said whether it wants the connection."""
    OPEN = 1
    DENYING = 2
    """The application answers with an HTTP response."""
    ENDED = 3
    """Nothing more can be sent: somebody has closed, or the client is gone."""


_OPEN = Phase.OPEN


class WebSocketSession(asyncio.Protocol):
    """One connection and the application's call for it. `begin()` once."""

    __slots__ = (
        "_burst",
        "_bytes_out",
        "_cell",
        "_client",
        "_code",
        "_early",
        "_ended_at",
        "_flow",
        "_frames",
        "_held_before",
        "_inbox",
        "_is_cancelled",
        "_keepalive",
        "_label",
        "_late_pong",
        "_opening",
        "_phase",
        "_prefixes",
        "_reason",
        "_service",
        "_started",
        "_status",
        "_transport",
        "_waiters",
        "_was_asked",
        "_write",
        "request",
        "response",
        "task",
    )

    is_endless = True

    def __init__(
        self,
        service: Service,
        transport: asyncio.Transport,
        request: Request,
        opening: Opening,
        prefixes: Prefixes | None = None,
    ) -> None:
        """`prefixes`: what the answer to the handshake begins with, if not as with all others."""
        settings = service.settings
        self.request = request
        self._prefixes = prefixes or service.prefixes
        self.response = Response(request, self._prefixes)
        """The denial, should the application choose one."""
        self.response.keep_alive = False
        self.task: asyncio.Task[None] | None = None
        self._service = service
        self._transport = transport
        self._write = transport.write
        self._opening = opening
        self._frames = Connection(
            max_size=settings.ws_max_size,
            max_queue=settings.ws_max_queue,
            deflate=Deflate(opening.compression) if opening.compression is not None else None,
        )
        self._phase = Phase.CONNECTING
        self._inbox = _NOTHING_YET
        """Where messages are taken from: that of the frames, once the application was asked to connect."""
        self._was_asked = False
        self._waiters: Waiters = []
        self._flow = Flow(transport)
        self._is_cancelled = False
        self._early = b""
        """What the client sent before it was accepted."""
        self._late_pong = b""
        self._code = 0
        self._reason = ""
        self._status = 0
        self._bytes_out = 0
        self._burst = 0
        self._held_before = 0
        self._started = monotonic()
        self._ended_at = 0.0
        self._keepalive: Keepalive | None = None
        self._cell = -1
        self._client = request.client[0] if request.client else ""
        self._label = ""

    def begin(self, scope: Scope, peer: Peer, data: bytes) -> None:
        """Call the application. `scope` is that of the request; `data` is what followed its head."""
        label = peer.label
        service = self._service
        service.connections.add(self)
        self._early = data
        self._label = label
        scope["type"] = "websocket"
        del scope["method"]
        scope["scheme"] = _SCHEMES.get(scope["scheme"], scope["scheme"])
        scope["subprotocols"] = list(self._opening.subprotocols)
        tls = scope.get("extensions", {}).get("tls")
        scope["extensions"] = {"websocket.http.response": {}} | ({"tls": tls} if tls is not None else {})
        is_stopping = service.is_closing_each and service.deadlines.keepalive  # else it is the setting
        verdict = None
        if service.shedder is not None:
            sock = self._transport.get_extra_info("socket")
            verdict = service.shedder.judge(self.request, peer, sock, len(service.running), self._started)
        if is_stopping or verdict is not None:
            self._refuse(503)
            return
        self._cell = service.row.begin(self._started, "WEBSOCKET", self.request.target, label, self.request.request_id)
        service.call(self, self._run(scope))

    # -- the transport calls ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._phase is not _OPEN:
            self._receive_otherwise(data)
            return
        link = self._frames
        link.receive(data)
        if link.out or link.is_full or link.state:
            self._attend()
        waiters = self._waiters
        if waiters and link.inbox:
            wake(waiters)

    def _receive_otherwise(self, data: bytes) -> None:
        if self._phase is Phase.CONNECTING:
            self._early += data
            if len(self._early) >= HIGH_WATER:
                self._flow.pause_reading()
        elif self._frames.state is State.CLOSING:
            self._frames.receive(data)
            self._attend()
        # else what the client still sends is dropped

    def eof_received(self) -> bool:
        return False  # TCP half-closed without a Close frame is a loss: the transport closes

    def connection_lost(self, error: Exception | None) -> None:
        service = self._service
        service.connections.discard(self)
        self._frames.lose()
        self._end(frames.LOST)
        self._flow.is_writable = True
        self._flow.wake_drainers()
        self._count()
        service.on_connection_closed()

    def pause_writing(self) -> None:
        self._flow.is_writable = False

    def resume_writing(self) -> None:
        self._flow.is_writable = True
        if self._late_pong and self._phase is Phase.OPEN:
            self._send_frames(self._late_pong)
        self._late_pong = b""
        self._flow.wake_drainers()

    # -- what the application calls ---------------------------------------------------------------

    async def receive(self) -> Message:
        """The next event. Any number of tasks may wait here, and cancelling one loses nothing."""
        while True:
            inbox = self._inbox
            if inbox:
                data = inbox.popleft()
                if type(data) is str:
                    return {"type": "websocket.receive", "text": data}
                return {"type": "websocket.receive", "bytes": data}
            if not self._was_asked:
                self._was_asked = True
                self._inbox = self._frames.inbox
                return {"type": "websocket.connect"}
            if self._frames.is_full:
                await self._read_on()
                continue
            if self._phase is Phase.ENDED:
                return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}
            await wait_among(self._waiters, self._service.loop)

    async def send(self, message: Message) -> None:
        """Take one message.

        Raises ClientGone (an OSError) once the connection has ended, RuntimeError on a message out of order,
        TypeError, ValueError or ResponseError when what it says cannot be sent.
        """
        if self._phase is _OPEN and message["type"] == "websocket.send":
            data = message.get("bytes")
            if data is not None:
                frame = self._frames.binary(data if type(data) is bytes else _as_bytes(data))
            else:
                frame = self._frames.text(_as_text(message.get("text")))
            self._bytes_out += len(frame)
            self._write(frame)
            self._burst += 1
            if not self._flow.is_writable:
                await self._drain()
            elif self._burst >= BURST:
                self._burst = 0
                await asyncio.sleep(0)
        elif self._phase is Phase.ENDED:
            raise ClientGone("the WebSocket is closed")
        else:
            self._send_otherwise(message["type"], message)
            if not self._flow.is_writable:
                await self._drain()

    def _send_otherwise(self, kind: str, message: Message) -> None:
        """Everything but data on an open connection."""
        phase = self._phase
        if kind == "websocket.close" and phase is Phase.OPEN:
            code = message.get("code")
            self._close(1000 if code is None else code, message.get("reason") or "")
        elif kind == "websocket.close" and phase is Phase.CONNECTING:
            self._refuse(403)
        elif kind == "websocket.accept" and phase is Phase.CONNECTING:
            self._accept(message.get("subprotocol"), message.get("headers") or ())
        elif kind == "websocket.http.response.start" and phase is Phase.CONNECTING:
            if message["status"] < 200:
                raise ValueError(f"a WebSocket cannot be denied with status {message['status']!r}; 200 to 599 can be")
            self.response.start(message["status"], message.get("headers", ()))
            self._phase = Phase.DENYING
        elif kind == "websocket.http.response.body" and phase is Phase.DENYING:
            self._deny(_as_bytes(message.get("body", b"")), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"ASGI message {kind!r} where {_EXPECTED[phase]} is expected")

    async def _drain(self) -> None:
        """Wait until the client has read. Raises ClientGone if it is lost meanwhile."""
        await self._flow.drain(self._service.loop)
        if self._phase is Phase.ENDED and self._transport.is_closing():
            raise ClientGone("the WebSocket is closed")

    async def _read_on(self) -> None:
        """The application has taken all that was read ahead: go on reading, after a turn of the loop for others."""
        link = self._frames
        link.resume()
        self._attend()
        if not link.is_full:
            self._flow.resume_reading()
        await asyncio.sleep(0)

    # -- the application's call -------------------------------------------------------------------

    async def _run(self, scope: Scope) -> None:
        """Call the application, once, and put right whatever it leaves undone. Never raises."""
        service = self._service
        try:
            await service.app(scope, self.receive, self.send)
        except GeneratorExit:  # the loop is closed and this coroutine thrown away: nothing can be sent any more
            raise
        except BaseException as error:
            self._failed(error)
        else:
            self._returned()
        finally:
            service.row.end(self._cell)
            service.running.discard(self)

    def _returned(self) -> None:
        if self._phase is Phase.OPEN:
            self._close(1000)
        elif self._phase is Phase.CONNECTING:
            self._report("the application returned without accepting or closing")
            self._refuse(403)
        elif self._phase is Phase.DENYING:
            self._report("the application returned without a complete response")
            self._apologise()

    def _failed(self, error: BaseException) -> None:
        if self._is_cancelled:
            self.stop()
            self._apologise()
            return
        if self._phase is not Phase.ENDED or not is_departure(error, is_gone=True):
            self._report("exception in the application", error)
        if self._phase is Phase.OPEN:
            self._close(1011)
        else:
            self._apologise()

    def _apologise(self) -> None:
        """500 if no answer is out yet, a broken connection if half of one is, nothing after the end."""
        if self._phase is Phase.ENDED:
            return
        if self.response.head_sent:
            self._end(frames.LOST)
            self._transport.close()
        else:
            self._refuse(500)

    def _report(self, what: str, error: BaseException | None = None) -> None:
        self._service.log.error(
            "%s: WebSocket %s client=%s", what, self.request.target.decode("latin-1"), self._label, exc_info=error
        )

    # -- how it begins and ends -------------------------------------------------------------------

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        service = self._service
        self._write(acceptance(self._opening, self._prefixes, subprotocol=subprotocol, headers=headers))
        self._status = 101
        self._phase = Phase.OPEN
        settings = service.settings
        self._keepalive = Keepalive(settings.ws_ping_interval, settings.ws_ping_timeout, monotonic())
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
            if not self._frames.is_full:
                self._flow.resume_reading()

    def _refuse(self, status: int) -> None:
        """Answer the handshake ourselves."""
        self._status = status
        extra = b"retry-after: %d\r\n" % RETRY_AFTER_S if status == 503 else b""
        self._write(plain_page(status, "the WebSocket was not accepted\n", self._service.prefixes, extra=extra))
        self._end(frames.LOST)
        self._flow.linger()

    def _deny(self, data: bytes, *, more: bool) -> None:
        response = self.response
        content = response.content(data, more=more)
        self._status = response.status
        if content:
            self._write(content)
        if not more:
            self._end(frames.LOST)
            self._flow.linger()

    def _close(self, code: int, reason: str = "") -> None:
        """Close from our side. Raises ValueError for a code that cannot be sent."""
        self._frames.close(code, reason)
        self._flow.resume_reading()  # the client's Close is still to come
        self._attend()

    def _attend(self) -> None:
        """See to what the frames want after bytes came or something was closed."""
        link = self._frames
        if link.out:
            out, link.out = link.out, []
            if self._flow.is_writable or link.state:
                self._send_frames(b"".join(out))
            else:
                self._late_pong = out[-1]  # a slow reader gets one answer to all its pings: RFC 6455 section 5.5.3
        if link.state is State.OPEN:
            if link.is_full:
                self._flow.pause_reading()
            return
        self._end(link.close_code, link.close_reason)
        if link.state is State.CLOSED:
            self._transport.close()
        elif link.state is State.FAILED:
            self._flow.linger()

    def _send_frames(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._bytes_out += len(data)
            self._write(data)

    def _end(self, code: int, reason: str = "") -> None:
        """From now on receive() says disconnect and send() raises. What was received before is delivered first."""
        if self._phase is Phase.ENDED:
            return
        self._phase = Phase.ENDED
        self._code, self._reason = code, reason
        self._ended_at = monotonic()
        wake(self._waiters)

    def _count(self) -> None:
        """One more request answered, as the scoreboard and the access log see it."""
        service = self._service
        status = self._status or 499
        service.answered += 1
        if status >= 500:
            service.errors += 1
        if service.access is not None:
            size = self._bytes_out if status == 101 else self.response.bytes_sent
            service.access.log(self.request, status, size, monotonic() - self._started, self._client)

    # -- the worker calls -------------------------------------------------------------------------

    def stop(self) -> None:
        """The worker stops or is replaced: ask the client to come back later."""
        if self._phase is Phase.OPEN:
            self._close(SERVICE_RESTART)
        elif self._phase is Phase.CONNECTING:
            self._refuse(503)

    def abort(self) -> None:
        self._transport.abort()

    def leave(self) -> None:
        """The worker cannot wait much longer for this call: let whoever listens know."""
        self._end(SERVICE_RESTART)

    def cancel(self) -> None:
        """End the application's work: the worker stops."""
        self._is_cancelled = True
        if self.task is not None:
            self.task.cancel("the worker is stopping")

    def sweep(self, now: float) -> None:
        """Pings, and the deadlines for reading what we write and for closing."""
        waiting = self._transport.get_write_buffer_size()
        written = self._bytes_out + self.response.bytes_sent
        if self._flow.is_stalled(now, waiting, written, self._service.deadlines):
            self._service.log.debug("write stalled: WebSocket client=%s", self._label)
            self.abort()
        if waiting:
            return
        if self._phase is Phase.OPEN:
            self._sweep_open(now)
        elif self._phase is Phase.ENDED and now - self._ended_at > LINGER_S:
            self.abort()

    def _sweep_open(self, now: float) -> None:
        link, keepalive = self._frames, self._keepalive
        assert keepalive is not None
        held = link.held
        is_excused = not self._flow.is_reading or held != self._held_before
        self._held_before = held
        verdict = keepalive.check(now, link.pong, is_excused=is_excused)
        if verdict is Verdict.PING:
            self._send_frames(frames.ping(keepalive.payload))
        elif verdict is Verdict.DEAD:
            link.fail(1011, "ping timeout")
            self._attend()

    def postpone(self, seconds: float) -> None:
        """The loop stood still for so long: clients are not to blame for it."""
        self._ended_at += seconds
        self._flow.postpone(seconds)
        if self._keepalive is not None:
            self._keepalive.postpone(seconds)


_EXPECTED: Final = {
    Phase.CONNECTING: "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'",
    Phase.OPEN: "'websocket.send' or 'websocket.close'",
    Phase.DENYING: "'websocket.http.response.body'",
}


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"'bytes' and 'body' of an ASGI message must be bytes, not {type(data).__name__}")


def _as_text(text: Any) -> str:
    if isinstance(text, str):
        return text
    raise TypeError(f"'websocket.send' must have 'bytes' or a 'text' that is str, not {type(text).__name__}")
