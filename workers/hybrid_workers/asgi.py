"""The asgi worker: an event loop, HTTP/1.1 over asyncio transports, lifespan.

This module is its life - boot, serve, stop. Connections are in `asgi_connection`, accepting in
`asgi_accept`, deadlines and housekeeping in `asgi_sweeper`, what they share in `asgi_service`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from hybrid.asgi import App, Lifespan, Receive, Scope, Send, single_callable
from hybrid.contract import Draining, Listener, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.errors import HybridError, SettingsError
from hybrid.logs import open_access_log
from hybrid_workers.asgi_accept import Acceptor
from hybrid_workers.asgi_service import Service
from hybrid_workers.asgi_sweeper import Sweeper
from hybrid_workers.asgi_turn import Turn
from hybrid_workers.bridging import Bridge
from hybrid_workers.drain import drain_delay, is_last
from hybrid_workers.inherited import prepare
from hybrid_workers.shedding import Shedder

if TYPE_CHECKING:
    from hybrid.wsgi import App as WsgiApp


class Stop(IntEnum):
    """How urgently the worker is to stop."""

    NOT = 0
    GRACEFUL = 1
    QUICK = 2


POLL_S = 0.02
"""How often a draining worker looks whether it is done."""
CLOSING_TURNS = 10
"""Turns of the loop that transports get to close in."""
QUICK_S = 1.0
"""What a quick stop leaves to the application for its clean-up."""


_USUAL = (700, 10, 10)
"""When the garbage collector of Python 3.11 and 3.12 looks, unless somebody has said something else."""


class AsgiWorker:
    """See hybrid.contract.worker.Worker."""

    finishes_boot = True
    """What lifespan startup has opened, lifespan shutdown closes."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._settings = context.settings
        self._stop = Stop.NOT
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._pool = ThreadPoolExecutor(self._settings.sync_threads, thread_name_prefix="hybrid-sync")
        for listener in context.listeners:
            prepare(listener)  # not when accepting begins: who connects from now on waits in the backlog until then

    # -- boot -------------------------------------------------------------------------------------

    @staticmethod
    def before_fork(context: WorkerContext) -> None:
        """Import what `boot` needs: in a template, once for all that are made of it."""
        if context.interface == "wsgi":
            import hybrid_workers.bridge  # noqa: F401
        if context.settings.loop != "asyncio":
            with contextlib.suppress(ImportError):  # `boot` says it
                import uvloop  # noqa: F401

    def boot(self) -> None:
        loop = new_loop(self._settings.loop)
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._report)
        loop.set_default_executor(self._pool)
        try:
            loop.run_until_complete(self.boot_in_loop())
            collect_less()
        except BaseException:
            self._close_loop(loop)
            raise

    async def boot_in_loop(self) -> None:
        """`boot()` in a loop that is somebody else's: it keeps its error handler and its executor."""
        context, settings = self._context, self._settings
        self._loop = loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        app: App | Bridge
        shedder = Shedder.of(context)
        if context.interface == "wsgi":
            from hybrid_workers.bridge import bridge_to

            app = bridge_to(cast("WsgiApp", context.app), context, shedder)
            self._lifespan = Lifespan(_no_lifespan, "off", context.log)
        else:
            app = cast("App", context.app)  # child.py has found out that it is one
            if context.interface == "asgi2":
                app = single_callable(cast("Any", app))
            self._limit_anyio()
            self._lifespan = Lifespan(app, settings.lifespan, context.log)
        await self._lifespan.startup()
        self._service = Service(
            context,
            app,
            loop,
            app_context=self._lifespan.context,
            state=self._lifespan.state,
            access=open_access_log(settings.accesslog, settings.access_log_format),
            shedder=shedder,
        )
        if shedder is None:  # which counts what is under way when a request comes
            with contextlib.suppress(TypeError):  # a loop without attributes: each request by itself, then
                self._service.turn = Turn(loop, self._lifespan.context, self._service.outbox)

    def _limit_anyio(self) -> None:
        """Frameworks over anyio run synchronous code in its threads, 40 at most unless told otherwise."""
        if "anyio" in sys.modules:
            from anyio import to_thread

            to_thread.current_default_thread_limiter().total_tokens = self._settings.sync_threads

    def _report(self, loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        """What the loop has to say about tasks and callbacks that nobody awaits."""
        self._context.log.error("Event loop: %s", what.get("message", ""), exc_info=what.get("exception"))

    # -- serve ------------------------------------------------------------------------------------

    def serve(self) -> None:
        loop = self._loop
        assert loop is not None, "boot() comes first"
        try:
            is_clean = loop.run_until_complete(self.serve_in_loop())
        finally:
            self._close_loop(loop)
        if not is_clean:
            raise HybridError("lifespan shutdown failed; the application's own message is above")

    def _close_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = None
        asyncio.set_event_loop(None)
        loop.close()

    async def serve_in_loop(self) -> bool:
        """`serve()` in the loop of `boot_in_loop()`. False when lifespan shutdown failed."""
        context, service = self._context, self._service
        assert self._wake is not None
        self._acceptor = acceptor = Acceptor(service, context.listeners, self._settings.worker_connections)
        sweeper = Sweeper(service, context.black_box)
        most = self._settings.worker_connections
        context.row.words[Word.CAPACITY] = min(most, self._settings.limit_concurrency or most)
        service.loop.add_reader(context.channel, self._on_channel)
        sweeper.start()
        acceptor.resume()
        crossroads = service.crossroads
        if crossroads is not None:
            crossroads.start(acceptor)
        await self._until(Stop.GRACEFUL)

        service.wind_up()
        if crossroads is not None:
            crossroads.wind_up()
        context.channel.send(Draining("stop"))
        if delay := drain_delay(context):
            await self._until(Stop.QUICK, monotonic() + delay)
        acceptor.stop(is_last=is_last(context))
        if crossroads is not None:
            crossroads.close()
        began = monotonic()
        await self._drain(began)
        if crossroads is not None:
            crossroads.end()
        is_clean = await self._end_lifespan(began)
        sweeper.stop()
        acceptor.close()
        service.loop.remove_reader(context.channel)
        if isinstance(service.scopes, Bridge):
            service.scopes.stop()
        return is_clean

    async def _until(self, wanted: Stop, deadline: float | None = None) -> None:
        """Until a stop of this urgency was asked for, or until the deadline."""
        assert self._wake is not None
        while self._stop < wanted:
            self._wake.clear()
            timeout = None if deadline is None else deadline - monotonic()
            if timeout is not None and timeout <= 0:
                return
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                return

    # -- stop -------------------------------------------------------------------------------------

    def stop(self, *, graceful: bool) -> None:
        self._stop = max(self._stop, Stop.GRACEFUL if graceful else Stop.QUICK)
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            loop.call_soon_threadsafe(wake.set)

    def admit(self, listeners: tuple[Listener, ...]) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._acceptor.admit, listeners)

    def _on_channel(self) -> None:
        channel = self._context.channel
        channel.receive()
        if not channel.is_open:
            self._service.loop.remove_reader(channel)
            self.stop(graceful=True)

    async def _drain(self, began: float) -> None:
        """Let requests finish; then tell those that do not that the client is gone; then cancel them.

        What has no end of its own, event streams and WebSockets, is told at once and cancelled first.

        Of the graceful time 30 % are kept for what comes after a cancellation and for lifespan shutdown, which is
        never left out.
        """
        service = self._service
        graceful = self._settings.graceful_timeout
        for call in tuple(service.running):
            if call.is_endless:
                call.leave()
        if not await self._drained(began + min(self._settings.drain_streams, graceful * 0.5)):
            for call in tuple(service.running):
                if call.is_endless:
                    call.cancel()
                elif call.response.head_sent:
                    call.leave()
        if not await self._drained(began + graceful * 0.7):
            if self._stop is not Stop.QUICK:
                self._say_what_is_cancelled()
            for call in tuple(service.running):
                call.cancel()
            await self._ended(min(monotonic() + QUICK_S, max(monotonic(), began + graceful * 0.8)))
        for _ in range(CLOSING_TURNS):
            for connection in tuple(service.connections):
                connection.abort()
            if service.connections or self._acceptor.is_connecting:
                await asyncio.sleep(0)

    async def _drained(self, deadline: float) -> bool:
        """Wait until nothing is under way. False at the deadline, or when a quick stop is asked for meanwhile."""
        while not self._is_idle():
            now = monotonic()
            if now >= deadline or self._stop is Stop.QUICK:
                return False
            await self._until(Stop.QUICK, min(deadline, now + POLL_S))
        return True

    def _is_idle(self) -> bool:
        """Nothing is under way, nor on its way to us and to nobody else."""
        service = self._service
        if service.running or service.connections or self._acceptor.is_connecting:
            return False
        return service.crossroads is None or service.crossroads.is_done()

    async def _ended(self, deadline: float) -> None:
        """Wait for the calls of the application that were cancelled."""
        while self._service.running and monotonic() < deadline:
            await asyncio.sleep(POLL_S)

    def _say_what_is_cancelled(self) -> None:
        for call in tuple(self._service.running):
            self._context.log.warning(
                "The graceful time is over, cancelling: %s %s",
                call.request.method,
                call.request.target.decode("latin-1")[:400],
            )

    async def _end_lifespan(self, began: float) -> bool:
        budget = QUICK_S if self._stop is Stop.QUICK else began + self._settings.graceful_timeout * 0.95 - monotonic()
        try:
            return await asyncio.wait_for(self._lifespan.shutdown(), max(budget, QUICK_S))
        except TimeoutError:
            self._context.log.error("lifespan shutdown took longer than %.1f s; it was abandoned", max(budget, QUICK_S))
            return False


def new_loop(wanted: str) -> asyncio.AbstractEventLoop:
    """The event loop of the setting `loop`. Raises SettingsError if it is uvloop and that is not installed."""
    if wanted != "asyncio":
        try:
            import uvloop
        except ImportError as error:
            if wanted == "uvloop":
                raise SettingsError(f"setting loop: uvloop cannot be imported ({error}); use --loop asyncio") from error
        else:
            return cast("asyncio.AbstractEventLoop", uvloop.new_event_loop())
    return asyncio.new_event_loop()


def collect_less() -> None:
    """Have the garbage collector look after 2,000 new objects, as Python 3.13 does by itself, instead of 700.

    Hundreds of requests that wait are thousands of objects, none of them garbage, and each look goes through them: with
    512 that wait 10 ms, 4 % of what such a request executes. What an application has chosen for itself stays.
    """
    if gc.get_threshold() == _USUAL:
        gc.set_threshold(2000, *_USUAL[1:])


async def _no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """WSGI has nothing like it."""
