"""A WSGI application in an asgi worker: each call in a thread of the worker's pool.

A `ThreadCycle` stands where an ASGI request's `Cycle` stands, so connections, deadlines and draining know
nothing of it. In the thread, `hybrid.wsgi` keeps PEP 3333 as it does for every WSGI worker; between thread
and loop go only bytes: content for wsgi.input one way, framed pieces of the response the other. Both ways
are bounded, and whoever is ahead waits. A client is not read on. An application that is ahead of its client is
not asked for more, and its thread does other work meanwhile: else a few clients that do not read would take
all threads. Only where PEP 3333 leaves no choice, in write() and in wsgi.input, the thread blocks.

A plain response costs one hand-over in each direction.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from math import inf
from time import monotonic

from hybrid.asgi import Connection
from hybrid.contract import WorkerContext
from hybrid.errors import ClientGone, DeadlineExceeded, ProtocolError
from hybrid.http.limits import MOST_PIECES
from hybrid.http.peer import Peer
from hybrid.http.request import CHUNKED, Request
from hybrid.http1.response import Prefixes
from hybrid.wsgi import App, BrokenBody, Environ, Environs, ErrorsStream, Exchange, Input, Piece
from hybrid_workers.bridging import Bridge, BridgeCycle
from hybrid_workers.deadline import Target
from hybrid_workers.held import Hold
from hybrid_workers.overflow import Overflow
from hybrid_workers.shedding import Shedder, render
from hybrid_workers.spool import Spool, Spooling
from hybrid_workers.threads import ThreadPool
from hybrid_workers.wsgi_service import raw_sink

HIGH_WATER = 64 * 1024
"""Bytes that the thread may be ahead of the connection."""


class ThreadBridge(Bridge):
    """See `bridging`."""

    def __init__(
        self,
        app: App,
        *,
        environs: Environs,
        threads: int,
        body_buffer: int,
        spooling: Spooling,
        shedder: Shedder | None = None,
    ) -> None:
        """`body_buffer`: how much of a body is read before a thread is taken for the request."""
        self.app = app
        self.shedder = shedder
        self.pool = ThreadPool[Work](threads, _nothing_more)
        self.pool.start()
        self.spooling = spooling
        spooling.share_threads(threads, self.pool.is_short)
        self.body_buffer = min(body_buffer, HIGH_WATER)
        self._environs = environs

    def template(self, peer: Peer, root_path: str) -> Environ:
        return self._environs.template(peer)

    def http(self, template: Environ, request: Request) -> Environ:
        return self._environs.of(request, template)

    def cycle(self, request: Request, prefixes: Prefixes, connection: Connection, has_body: bool) -> ThreadCycle:
        return ThreadCycle(self, request, prefixes, connection, has_body=has_body)

    def stop(self) -> None:
        self.pool.stop()


def bridge_to(app: App, context: WorkerContext, shedder: Shedder | None) -> ThreadBridge:
    """The bridge of a worker with these settings."""
    settings = context.settings
    environs = Environs(
        errors=ErrorsStream(raw_sink(context.log)),
        is_multithread=True,
        is_multiprocess=context.pool_size > 1,
        root_path=settings.root_path,
        is_root_stripped=settings.root_path_mode == "stripped",
    )
    return ThreadBridge(
        app,
        environs=environs,
        threads=settings.sync_threads,
        body_buffer=settings.body_buffer,
        spooling=Spooling(settings, context.log, has_few_threads=True),
        shedder=shedder,
    )


class Work:
    """What a thread does of one request. See hybrid_workers.threads.Job."""

    keeper: object = None
    is_client_gone = False
    began = 0.0

    def __init__(self, cycle: ThreadCycle, environ: Environ) -> None:
        self._run = contextvars.copy_context().run
        self._cycle = cycle
        self._environ: Environ | None = environ

    def run(self) -> None:
        environ, self._environ = self._environ, None
        self._run(self._cycle.work, environ)

    def abandon(self) -> None:
        self._run(self._cycle.abandon)


def _nothing_more(work: Work) -> None:
    """Work tells the loop itself what has become of it."""


class ThreadCycle(BridgeCycle):
    """One request of a WSGI application. See hybrid.asgi.Cycle for what the connection expects of it.

    `_lock` guards what both sides touch: `_pieces`, `_ahead`, `_overflow`, `_chunks`, `buffered`, `_is_signalled` and
    the flags.
    """

    began: float = inf
    """When a thread took it: before, no deadline runs. See --queue-timeout for the wait."""
    waited_before: float = 0.0

    def __init__(
        self, bridge: ThreadBridge, request: Request, prefixes: Prefixes, connection: Connection, *, has_body: bool
    ) -> None:
        self._exchange = Exchange(request, prefixes, self._push)
        self.request = request
        self.response = self._exchange.response
        self.body_is_complete = not has_body
        self.buffered = 0
        self.is_disconnected = self.is_cancelled = self.has_left = False
        self.is_held = False  # a WSGI response's head goes out with its first content, never before: PEP 3333
        self.is_endless = False  # there is nobody in it who could be told
        self.task = None
        self.cell = -1
        self.started = 0.0
        self.overdue_at = 0.0
        self.target: Target | None = None
        self._bridge = bridge
        self._connection = connection
        self._lock = threading.Condition()
        self._chunks: list[bytes] = []
        self._spool: Spool | None = None
        """What has come of the body before `_chunks`."""
        self._hold: Hold | None = None
        """Set where the thread has to wait for the body, and may be wanted by others."""
        self._pieces: deque[Piece] = deque()
        self._ahead = 0
        self._overflow: Overflow | None = None
        """What the thread makes behind `_pieces`, where others want it and the client is slow."""
        self._is_last = False  # the last piece is among _pieces, or at the end of _overflow
        self._is_over = False  # the thread is through
        self._is_parked = False  # the application goes on when the client has read
        self._work: Work | None = None
        self._is_signalled = False
        self._signal: asyncio.Future[None] | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return self._exchange.header_bytes()

    # -- in the loop ------------------------------------------------------------------------------

    async def run(self, environ: Environ) -> None:
        """Have the application called, and write what it answers. Never raises."""
        connection = self._connection
        try:
            if not self.request.expects_continue:
                await self._gather()
            elif self._bridge.spooling.is_on:
                self._hold = self._bridge.spooling.held_up.ask()
                if self._hold is None:
                    connection.want_body()
                    await self._gather()
            if not (self.is_disconnected or self.response.is_complete):
                environ["wsgi.early_hints"] = self._exchange.early_hints
                self._attach_body(environ)
                self._work = Work(self, environ)
                self._bridge.pool.submit(self._work)
                await self._relay()
        except asyncio.CancelledError:
            self.disconnect()
            self._unpark()
            connection.on_broken(self)
        finally:
            self._work = None  # it refers to us
            with self._lock:
                overflow, self._overflow = self._overflow, None
            if overflow is not None:
                overflow.close()
            if self._hold is not None:
                self._hold.end()
            connection.on_ended(self)

    async def _gather(self) -> None:
        """Read the body before a thread is taken: all of it, or as much as there is room for."""
        bridge = self._bridge
        while not (self.body_is_complete or self.is_disconnected):
            if self.buffered >= bridge.body_buffer and not self._store():
                return
            await self._signalled()

    def _store(self) -> bool:
        """Move what has come of the body into its file. False where it does not go on."""
        try:
            spool = self._bridge.spooling.store(self._spool, self._chunks)
        except ProtocolError as error:
            answer = self._exchange.fail(BrokenBody(error.reason, error))
            assert answer is not None, "nothing has been answered yet"
            self._connection.complete(self, answer)
            return False
        if spool is None:
            if self._bridge.spooling.is_on:
                self._hold = self._bridge.spooling.held_up.stream()
            return False
        self._spool = spool
        self._chunks = []
        self.buffered = 0
        self._connection.took_body()
        return True

    async def _relay(self) -> None:
        """Write what the thread makes until it is through."""
        connection = self._connection
        is_out = False
        while True:
            with self._lock:
                pieces = list(self._pieces)
                self._pieces.clear()
                self._ahead = 0
                is_last, is_over = self._is_last, self._is_over
                if self._overflow is not None:
                    has_more = self._take_from(self._overflow, pieces)
                    is_last, is_over = is_last and not has_more, is_over and not has_more
                self._lock.notify_all()
            if not self.is_disconnected and not is_out:
                for at, piece in enumerate(pieces, 1):
                    if is_last and at == len(pieces):
                        is_out = True
                        if isinstance(piece, tuple):
                            connection.writelines(piece)
                            piece = b""
                        connection.complete(self, piece)
                    elif isinstance(piece, tuple):
                        connection.writelines(piece)
                    elif piece:
                        connection.write(piece)
            if is_over:
                break
            if not connection.is_writable and not is_out and not self.is_disconnected:
                await connection.drain()
            elif self._overflow is None or self.is_disconnected:
                self._unpark()
                await self._signalled()
            else:
                await asyncio.sleep(0)  # a client that is quick now would be all that the loop sees to
        if not is_out and not self.is_disconnected:
            connection.on_broken(self)

    def _take_from(self, overflow: Overflow, pieces: list[Piece]) -> bool:
        """With the lock held. Is there more behind what was taken?"""
        if self.is_disconnected:
            return False
        if not pieces:
            pieces.append(overflow.take())
        if not overflow.is_empty:
            return True
        self._overflow = None
        overflow.close()
        return False

    def _unpark(self) -> None:
        """Have a parked application go on, or end where the client is gone."""
        with self._lock:
            if not self._is_parked:
                return
            self._is_parked = False
        work = self._work
        assert work is not None, "it was begun before it was parked"
        work.is_client_gone = self.is_disconnected
        self._bridge.pool.resume(work)

    def _attach_body(self, environ: Environ) -> None:
        content = b"".join(self._chunks)
        self._chunks = []
        self.buffered = 0
        self.waited_before = self._connection.body_waited
        if content:
            self._connection.took_body()
        pull = None if self.body_is_complete else self._pull
        if pull is None and self.request.content_length == CHUNKED:
            self._bridge.spooling.tell_length(environ, content, self._spool)
        if self._spool is not None:
            environ["wsgi.input"] = self._spool.input(content, pull)
            self._spool = None
        elif content or pull is not None:
            environ["wsgi.input"] = Input(content, pull)

    async def _signalled(self) -> None:
        """Until something has changed since the last time."""
        with self._lock:
            if not self._is_signalled:
                self._signal = self._connection.loop.create_future()
        if self._signal is not None:
            await self._signal
            self._signal = None
        with self._lock:
            self._is_signalled = False

    def _on_signal(self) -> None:
        if self._signal is not None and not self._signal.done():
            self._signal.set_result(None)

    def feed(self, content: bytes, *, is_complete: bool) -> None:
        with self._lock:
            if content:
                self._chunks.append(content)
                if len(self._chunks) >= MOST_PIECES:
                    self._chunks = [b"".join(self._chunks)]
                self.buffered += len(content)
            if is_complete:
                self.body_is_complete = True
            self._is_signalled = True
            self._lock.notify_all()
        self._on_signal()

    def disconnect(self) -> None:
        with self._lock:
            self.is_disconnected = True
            self._is_signalled = True
            self._lock.notify_all()
        self._on_signal()

    def leave(self) -> None:
        """There is nobody in a WSGI application who could listen."""
        self.has_left = True

    def cancel(self) -> None:
        """A thread cannot be cancelled: let go of it, and end it where it next writes or reads."""
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel("the worker is stopping")

    def expire(self) -> None:
        """Raise DeadlineExceeded in the thread."""
        if self.target is not None:
            self.target.interrupt(self)

    def give_up(self) -> None:
        """Answer 504 without the thread, which finds the client gone whenever it next writes or reads."""
        with self._lock:
            answer = None if self._is_last or self._pieces else self._exchange.fail(DeadlineExceeded())
            self.is_disconnected = True
            self._is_signalled = True
            self._lock.notify_all()
        if answer is not None:
            self._connection.complete(self, answer)
        self._on_signal()

    def release_head(self) -> None:
        """Never: see `holds_head`."""

    # -- in the thread ----------------------------------------------------------------------------

    def work(self, environ: Environ | None) -> None:
        """Call the application, or go on after it was parked; until it is through, or is to be parked again."""
        exchange = self._exchange
        response = self.response
        is_parked = False
        target = self.target = Target(threading.get_ident())
        target.work = self
        try:
            if environ is not None:
                self.began = monotonic()
                if self._is_shed():
                    return
            piece = exchange.advance() if environ is None else exchange.open(self._bridge.app, environ)
            while not response.is_complete:
                is_parked = self._offer(piece)
                if is_parked:
                    return
                piece = exchange.advance()
            self._finish(piece, is_over=exchange.closer is None)
        except ClientGone:
            pass
        except BaseException as error:  # SystemExit too: an application does not end the worker
            self._failed(error)
        finally:
            try:
                target.leave()
            except DeadlineExceeded:
                pass
            if not is_parked:
                self._close()

    def _is_shed(self) -> bool:
        """Answered without the application: the time until a thread took the call was too long."""
        shedder = self._bridge.shedder
        verdict = shedder.is_late(self.request) if shedder is not None else None
        if verdict is None:
            return False
        self._finish(render(self.response, verdict), is_over=True)
        return True

    def abandon(self) -> None:
        """The client has gone while the application was parked."""
        self._close()

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, (BrokenBody, DeadlineExceeded)):
            self._connection.report(self, "exception in the application", error)
        if not self.response.is_complete:
            answer = self._exchange.fail(error)
            if answer is not None:
                self._finish(answer, is_over=False)

    def _close(self) -> None:
        if self._is_over:
            return
        try:
            self._exchange.close()
        except BaseException as error:
            self._connection.report(self, "exception in close() of the application's iterable", error)
        with self._lock:
            self._is_over = True
            self._notify_loop()

    def _offer(self, piece: Piece) -> bool:
        """Hand a piece of the response over: is the client so far behind now that there should be no more? Raises
        ClientGone."""
        with self._lock:
            if self.is_disconnected:
                raise ClientGone("the client closed the connection")
            self._add(piece)
            self._is_parked = self._ahead >= HIGH_WATER
            return self._is_parked

    def _push(self, piece: Piece) -> None:
        """The same for write(), which must wait. Raises ClientGone."""
        spooling = self._bridge.spooling
        with self._lock:
            hold = spooling.hold_for_reader() if self._ahead >= HIGH_WATER else None
            while self._ahead >= HIGH_WATER and not self.is_disconnected:
                if hold is None:
                    self._lock.wait()
                elif not hold.wait(self._lock.wait, inf):  # others have waited for long enough
                    if self._overflow is None:
                        self._overflow = spooling.overflow()
                    if self._overflow is not None and self._overflow.has_room:
                        break
                    hold = None
            if self.is_disconnected:
                raise ClientGone("the client closed the connection")
            self._add(piece)

    def _add(self, piece: Piece) -> None:
        """With the lock held. Raises ClientGone."""
        self._append(piece)
        self._ahead += len(piece) if isinstance(piece, bytes) else sum(map(len, piece))
        self._notify_loop()

    def _append(self, piece: Piece) -> None:
        overflow = self._overflow
        if overflow is None:
            self._pieces.append(piece)
            return
        try:
            overflow.add(piece if isinstance(piece, bytes) else b"".join(piece))
        except OSError as error:
            raise ClientGone(f"no room for what it did not take: {error.strerror}") from error

    def _finish(self, piece: Piece, *, is_over: bool) -> None:
        with self._lock:
            self._append(piece)
            self._is_last = True
            self._is_over = is_over
            self._notify_loop()

    def _pull(self) -> bytes:
        """The next content for wsgi.input; waits for it. Raises BrokenBody."""
        loop = self._connection.loop
        with self._lock:
            if not self._chunks and not self.body_is_complete and not self.is_disconnected:
                loop.call_soon_threadsafe(self._connection.want_body)
            while not self._chunks and not self.body_is_complete and not self.is_disconnected:
                self._wait_for_body()
            if self._chunks:
                content = b"".join(self._chunks)
                self._chunks = []
                self.buffered = 0
                loop.call_soon_threadsafe(self._connection.took_body)
                return content
            if self.body_is_complete:
                return b""
        raise BrokenBody("the client closed the connection before the end of the request body")

    def _wait_for_body(self) -> None:
        """With the lock held, once. Raises BrokenBody when it holds up others for too long."""
        if self._hold is None:
            self._lock.wait()
        elif not self._hold.wait(self._lock.wait, inf):
            error = ProtocolError(408, "the body came too slowly", "RFC 9110 section 15.5.9")
            raise BrokenBody(str(error), error)

    def _notify_loop(self) -> None:
        """With the lock held. One wake-up, however much there is."""
        if not self._is_signalled:
            self._is_signalled = True
            try:
                self._connection.loop.call_soon_threadsafe(self._on_signal)
            except RuntimeError:  # the loop is closed: the worker did not wait for this thread
                pass
