"""The process: accept connections, give each a thread, prove to be alive, stop when told to.

This is everything that the arbiter asks of a worker. HTTP is in `connection`.
"""

from __future__ import annotations

import selectors
import socket
import threading
from time import monotonic

from hybrid.contract import Draining, Listener, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.errors import SettingsError
from hybrid_thread_worker.connection import Connection, Service

TICK_S = 0.5


class ThreadWorker:
    """See `hybrid.contract.Worker`: nothing is inherited, the four methods are the protocol."""

    def __init__(self, context: WorkerContext) -> None:
        """The application is imported already. A setting that cannot be honoured is refused here."""
        if context.interface != "wsgi":
            raise SettingsError(f"worker class thread serves WSGI applications; {context.settings.app!r} is not one")
        if context.tls is not None:
            raise SettingsError("setting certfile: worker class thread speaks no TLS; use -k gthread")
        self._context = context
        self._service = Service(context)
        self._is_stopping = False
        self._stop_now = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_write.setblocking(False)
        context.row.words[Word.CAPACITY] = context.settings.worker_connections

    def boot(self) -> None:
        """What must be done before the first connection; nothing here."""

    def serve(self) -> None:
        """Until told to stop. `Ready` is sent before it by the caller, and returning means exit code 0."""
        context = self._context
        selector = selectors.DefaultSelector()
        for listener in context.listeners:
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        selector.register(self._wake_read, selectors.EVENT_READ)
        selector.register(context.channel, selectors.EVENT_READ)
        while not self._is_stopping:
            is_full = self._service.connections >= context.settings.worker_connections
            for key, _ in selector.select(TICK_S):
                if isinstance(key.data, Listener):
                    if not is_full:
                        self._accept(key.data)
                elif key.fileobj is context.channel:
                    context.channel.receive()
                    if not context.channel.is_open:  # the arbiter is gone, and nobody will ever stop us
                        self._is_stopping = True
            self._tick()
        selector.close()
        context.channel.send(Draining("stop"))
        self._drain()

    def stop(self, *, graceful: bool) -> None:
        """Called by a signal handler, at any moment: record and wake, nothing else."""
        self._is_stopping = True
        self._stop_now = self._stop_now or not graceful
        try:
            self._wake_write.send(b"!")
        except BlockingIOError:  # it is awake
            pass

    def _accept(self, listener: Listener) -> None:
        try:
            sock, address = listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):  # a sibling was faster, or the client has left
            return
        connection = Connection(self._service, sock, None if listener.is_unix else address[:2])
        # A daemon, so that a client that never leaves does not keep the process.
        threading.Thread(target=connection.run, daemon=True).start()

    def _tick(self) -> None:
        """The beat: without it the arbiter takes the worker for dead after --timeout."""
        self._context.row.beat(monotonic())
        self._service.prefixes.refresh(None)

    def _drain(self) -> None:
        """Let requests that are under way be answered, for --graceful-timeout at most."""
        self._service.stop()
        until = monotonic() + self._context.settings.graceful_timeout
        while not self._stop_now and monotonic() < until and not self._service.wait_idle(TICK_S):
            self._tick()
