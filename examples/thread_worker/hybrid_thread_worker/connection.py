"""One client, in a thread of its own: read a request, call the application, write what it says, and again.

Everything that is HTTP or WSGI comes from `hybrid.http1` and `hybrid.wsgi`, which do no input or output; what is
left for a worker is to read, to write, and to be patient for so long and no longer.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from math import inf
from time import monotonic
from typing import cast

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.errors import ClientGone, ProtocolError
from hybrid.http.deadlines import LINGER_S, Deadlines
from hybrid.http.limits import Limits
from hybrid.http.proxies import ProxyRules, introduce
from hybrid.http.request import Request
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.http1.interim import CONTINUE
from hybrid.http1.receiver import Receiver
from hybrid.http1.refusal import refusal
from hybrid.http1.response import Prefixes
from hybrid.wsgi import App, BrokenBody, Environs, ErrorsStream, Exchange, Input, Piece

READ_SIZE = 65536


class Service:
    """What all connections of a worker share."""

    def __init__(self, context: WorkerContext) -> None:
        settings = context.settings
        self.log = context.log
        self.row = context.row
        self.app = cast("App", context.app)
        self.limits = Limits.from_settings(settings)
        self.fields = H11Fields if settings.http == "h11" else HttptoolsFields
        self.deadlines = Deadlines.from_settings(settings)
        self.prefixes = Prefixes(server=b"hybrid" if settings.server_header else None, date=settings.date_header)
        self.rules = ProxyRules(settings, context.log.warning)
        self.environs = Environs(
            errors=ErrorsStream(sys.stderr.buffer.write),
            is_multithread=True,
            is_multiprocess=context.pool_size > 1,
            root_path=settings.root_path,
        )
        self.is_stopping = False
        self.connections = 0
        self._idle: set[Connection] = set()
        self._changed = threading.Condition()

    def enter(self, connection: Connection) -> None:
        with self._changed:
            self.connections += 1
            self.row.words[Word.CONNECTIONS] = self.connections
            self._idle.add(connection)

    def leave(self, connection: Connection) -> None:
        with self._changed:
            self.connections -= 1
            self.row.words[Word.CONNECTIONS] = self.connections
            self._idle.discard(connection)
            self._changed.notify_all()

    def begin(self, connection: Connection, request: Request) -> int:
        """A request is under way: the scoreboard says so, should the worker die of it."""
        with self._changed:
            self._idle.discard(connection)
            return self.row.begin(monotonic(), request.method, request.target, connection.host)

    def end(self, connection: Connection, cell: int, status: int) -> None:
        with self._changed:
            self._idle.add(connection)
            self.row.end(cell)
            self.row.words[Word.REQUESTS] += 1
            self.row.words[Word.ERRORS] += status >= 500

    def stop(self) -> None:
        """Hang up on those who have not asked for anything."""
        with self._changed:
            self.is_stopping = True
            for connection in self._idle:
                connection.hang_up()

    def wait_idle(self, timeout: float) -> bool:
        """Whether all connections are gone, after `timeout` seconds at most."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.connections, timeout)


class Connection:
    """`run()` serves it to its end."""

    def __init__(self, service: Service, sock: socket.socket, client: tuple[str, int] | None) -> None:
        self._service = service
        self._socket = sock
        name = sock.getsockname()
        self._peer = service.rules.meet(client, name[:2] if client else (str(name), None))
        self._template = service.environs.template(self._peer)
        # A parser serves one thread; the receiver keeps what belongs to one connection.
        self._receiver = Receiver(HeadParser(service.fields(), service.limits), service.limits)
        self._request: Request | None = None
        self._received = 0
        self._waited = 0.0
        self._pace = service.deadlines.body_pace()
        self.host = client[0] if client else "unix"
        service.enter(self)

    def hang_up(self) -> None:
        """Let the thread that waits for a request see the end. For other threads."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:  # it has ended
            pass

    def run(self) -> None:
        try:
            with self._socket:
                self._serve()
        except OSError as error:  # the client has gone, or is too slow to be waited for
            self._service.log.debug("%s: %s", self._peer.label, error)
        finally:
            self._service.leave(self)

    def _serve(self) -> None:
        patience = self._service.deadlines.first_byte
        try:
            while (request := self._next_request(patience)) is not None:
                introduce(request, self._peer, self._service.rules)
                if not self._answer(request) or self._service.is_stopping:
                    self._linger()
                    return
                patience = self._service.deadlines.keepalive
        except ProtocolError as error:
            self._socket.sendall(refusal(error, self._service.prefixes))
            self._linger()

    # -- reading ------------------------------------------------------------------------------------

    def _next_request(self, patience: float) -> Request | None:
        """None when the client sends no more. Raises ProtocolError, OSError."""
        receiver = self._receiver
        request = receiver.next_request()
        until = monotonic() + patience
        while request is None:
            try:
                data = self._recv(until - monotonic())
            except TimeoutError:
                if not receiver.buffer:
                    return None
                raise ProtocolError(408, "the request head came too slowly", "RFC 9110 section 15.5.9") from None
            if not data:
                return None
            if not receiver.buffer:  # a head has one deadline, from its first byte on
                until = monotonic() + self._service.deadlines.head
            request = receiver.next_request(data)
        return request

    def _recv(self, patience: float) -> bytes:
        if patience <= 0:
            raise TimeoutError
        self._socket.settimeout(None if patience == inf else patience)
        return self._socket.recv(READ_SIZE)

    @property
    def is_read(self) -> bool:
        """`hybrid.wsgi.exchange.BodySource`: the body has come whole."""
        return self._receiver.body is None

    def _pull(self) -> bytes:
        """More of the body for wsgi.input; b"" at its end. Raises BrokenBody."""
        receiver = self._receiver
        try:
            if self._request is not None and self._request.expects_continue and not self._received:
                self._socket.sendall(CONTINUE)
            while receiver.body is not None:
                data = b""
                if not receiver.buffer:
                    began = monotonic()
                    data = self._recv(self._pace.patience(self._received, self._waited))
                    self._waited += monotonic() - began
                    if not data:
                        raise ProtocolError(400, "the body ended early", "RFC 9112 section 8")
                self._received += len(data)
                content = receiver.read_body(data)
                if content:
                    return content
        except ProtocolError as error:
            raise BrokenBody(str(error), error) from error
        except TimeoutError as error:
            late = ProtocolError(408, "the body came too slowly", "RFC 9110 section 15.5.9")
            raise BrokenBody(str(late), late) from error
        return b""

    # -- answering ----------------------------------------------------------------------------------

    def _answer(self, request: Request) -> bool:
        """Whether the connection can go on."""
        service = self._service
        exchange = Exchange(request, service.prefixes, self._write)
        environ = service.environs.of(request, self._template)
        self._request, self._received, self._waited = request, 0, 0.0
        self._pace.restart()
        if request.content_length:
            exchange.source = self
            environ["wsgi.input"] = Input(b"", self._pull)
        response = exchange.response
        response.keep_alive = response.keep_alive and service.deadlines.keepalive > 0 and not service.is_stopping
        cell = service.begin(self, request)
        try:
            self._write(exchange.open(service.app, environ))
            while not response.is_complete:
                self._write(exchange.advance())
        except ClientGone:
            raise
        except BaseException as error:  # whatever it is, it is the application's
            if not isinstance(error, BrokenBody):
                service.log.exception("Error handling request %s", str(request.target, "latin-1"))
            page = exchange.fail(error)
            if page is None:  # too late to say so: the close that follows must not look like the end of the answer
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ClientGone("the answer could not be completed") from error
            self._write(page)
        finally:
            exchange.close()
            service.end(self, cell, response.status)
        return response.keep_alive

    def _write(self, piece: Piece) -> None:
        self._socket.settimeout(self._service.deadlines.write if self._service.deadlines.write != inf else None)
        try:
            for part in (piece,) if isinstance(piece, bytes) else piece:
                self._socket.sendall(part)
        except OSError as error:
            raise ClientGone(str(error)) from error

    def _linger(self) -> None:
        """To close with bytes unread would reset the connection, and take the answer from the client."""
        self._socket.shutdown(socket.SHUT_WR)
        until = monotonic() + LINGER_S
        while self._recv(until - monotonic()):
            pass
