"""hybrid from a program: `run(app)` with arbiter and workers, `Server(app)` inside a running event loop.

Settings are keyword arguments, by the names of docs/settings.md, or as uvicorn spells them (`host`, `port`,
`log_level`, `ssl_certfile`...). They count as the command line does; files and environment are below them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Self

from hybrid import logs
from hybrid.arbiter import run_arbiter
from hybrid.arbiter.listeners import Listeners
from hybrid.cli.options import parse_command_line
from hybrid.contract import Channel, Listener, Scoreboard, WorkerContext
from hybrid.contract.interface import interface_of
from hybrid.contract.loader import load_app, prepare_import_path
from hybrid.contract.tls import tls_context
from hybrid.errors import SettingsError
from hybrid.hooks import Cfg
from hybrid.settings import Resolved, Settings, resolve, start_folder
from hybrid.settings.foreign import BY_NAME as FOREIGN
from hybrid.settings.log_plan import log_plan
from hybrid.settings.names import did_you_mean, find
from hybrid_workers.asgi import AsgiWorker, new_loop
from hybrid_workers.child import run_worker


def run(app: object, **settings: object) -> None:
    """Serve with an arbiter and workers until told to stop. Blocks; only in the main thread.

    `app` is the application, or text that names it, which a reload imports anew. An end that is not clean
    is SystemExit with the exit code of the command. Raises SettingsError.
    """
    environ, cwd = dict(os.environ), start_folder()
    first = [settings_of(app, settings, environ, cwd)]

    def load() -> Settings:
        resolved = first.pop() if first else settings_of(app, settings, environ, cwd)
        _say(resolved)
        return resolved.settings

    code = run_arbiter(load, run_worker)
    if code:
        sys.exit(code)


def settings_of(
    app: object, given: Mapping[str, object], environ: Mapping[str, str] | None = None, cwd: str | None = None
) -> Resolved:
    """The settings that these arguments, the files and the environment make. Raises SettingsError."""
    values: dict[str, object] = {}
    for name, value in given.items():
        entry = find(name)
        if name in FOREIGN:
            values[name] = value
        elif entry is not None:
            values[entry.name] = value
        else:
            raise SettingsError(f"there is no setting {name!r}{did_you_mean(name, FOREIGN)}")
    values["app"] = app if isinstance(app, str) else _name_of(app)
    resolved = resolve(values, environ, cwd, parse=parse_command_line)
    if isinstance(app, str):
        return resolved
    return resolved._replace(settings=replace(resolved.settings, app_object=app))


def _name_of(app: object) -> str:
    """What logs call an application that was given as an object."""
    named = app if hasattr(app, "__qualname__") else type(app)
    return f"{getattr(named, '__module__', '?')}:{getattr(named, '__qualname__', '?')}"


def _say(resolved: Resolved) -> None:
    for warning in resolved.warnings:
        logs.error_log.warning("%s", warning)
    for note in resolved.notes:
        logs.error_log.info("%s", note)


class Server:
    """One server in this process and this event loop: for tests, notebooks, and programs that do more than serve.

    `await serve()` until `should_exit` is set, or `async with server:`. There is no arbiter: nobody
    replaces it when it hangs, `workers` is 1, and a reload is not possible.
    """

    def __init__(self, app: object, **settings: object) -> None:
        """Raises SettingsError."""
        resolved = settings_of(app, settings)
        _say(resolved)
        self.settings = resolved.settings
        self.started = False
        """It accepts connections."""
        self.listeners: tuple[Listener, ...] = ()
        self._worker: AsgiWorker | None = None
        self._should_exit = False
        self._force_exit = False
        self._task: asyncio.Task[None] | None = None
        self._is_up = asyncio.Event()
        self._when_up: Callable[[], object] | None = None

    @property
    def should_exit(self) -> bool:
        """Set it, in any thread, and the server ends as soon as the requests under way are answered."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._worker is not None:
            self._worker.stop(graceful=True)

    @property
    def force_exit(self) -> bool:
        """Set it, and requests under way are dropped."""
        return self._force_exit

    @force_exit.setter
    def force_exit(self, value: bool) -> None:
        self._force_exit = value
        if value and self._worker is not None:
            self._worker.stop(graceful=False)

    @property
    def port(self) -> int:
        """Of the first TCP address; the real one where 0 was asked for."""
        for listener in self.listeners:
            if not listener.is_unix:
                port: int = listener.socket.getsockname()[1]
                return port
        raise RuntimeError("the server does not listen on TCP, or not yet")

    @property
    def url(self) -> str:
        """Of the first address."""
        if not self.listeners:
            raise RuntimeError("the server does not listen yet")
        return self.listeners[0].address

    def run(self, when_up: Callable[[], object] | None = None) -> None:
        """`serve()` in an event loop of its own. Blocks. `when_up` is called once connections are accepted."""
        self._when_up = when_up
        with asyncio.Runner(loop_factory=lambda: new_loop(self.settings.loop)) as runner:
            runner.run(self.serve())

    async def serve(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Serve until told to stop. In the main thread SIGINT and SIGTERM do that, and are raised again afterwards.

        `sockets` are bound ones, instead of those that the settings ask for, and stay the caller's. Raises
        SettingsError, AppLoadError, WorkerBootError (lifespan startup failed).
        """
        with self._signals():
            await self._serve(sockets)

    async def __aenter__(self) -> Self:
        """Serve in the background from here on."""
        self._is_up.clear()
        self._task = asyncio.ensure_future(self._serve(None))
        up = asyncio.ensure_future(self._is_up.wait())
        await asyncio.wait((self._task, up), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._task.done():
            await self._task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.should_exit = True
        if self._task is not None:
            await self._task

    def handle_exit(self, number: int, frame: FrameType | None) -> None:
        """What a signal does; the second one drops what is under way."""
        if self._should_exit:
            self.force_exit = True
        self.should_exit = True

    async def _serve(self, sockets: Sequence[socket.socket] | None) -> None:
        settings = self.settings
        logs.configure(plan=log_plan(settings, None, lambda: Cfg(settings)))
        ours, theirs = Channel.pair()
        opened = Listeners(logs.error_log, lambda _: False)
        try:
            listeners = _given(sockets) if sockets is not None else tuple(opened.open(settings, tries=1).values())
            self._worker = worker = AsgiWorker(_context(settings, listeners, theirs))
            await worker.boot_in_loop()
            self.listeners = listeners
            if self._should_exit:
                worker.stop(graceful=not self._force_exit)
            self.started = True
            self._is_up.set()
            if self._when_up is not None:
                self._when_up()
            logs.error_log.info("Listening at: %s", ",".join(listener.address for listener in listeners))
            await worker.serve_in_loop()
        finally:
            self._worker = None
            self.started = False
            self.listeners = ()
            opened.close_all_but(())
            ours.close()
            theirs.close()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught: list[int] = []

        def handle(number: int, frame: FrameType | None) -> None:
            caught.append(number)
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        for first in caught[:1]:
            signal.raise_signal(first)


def _context(settings: Settings, listeners: tuple[Listener, ...], channel: Channel) -> WorkerContext:
    """What a worker is given by an arbiter, made by hand. Imports the application."""
    os.environ.update((name, value) for name, _, value in (pair.partition("=") for pair in settings.raw_env))
    prepare_import_path(settings)
    app = load_app(settings)
    row = Scoreboard(rows=1).row(0)
    row.take(os.getpid(), 0, 0.0)
    return WorkerContext(
        settings=settings,
        pool="main",
        slot=0,
        generation=0,
        arbiter_pid=os.getpid(),
        listeners=listeners,
        channel=channel,
        row=row,
        log=logs.error_log,
        worker_class="asgi",
        interface=interface_of(settings, app).interface,
        app=app,
        tls=tls_context(settings),
    )


def _given(sockets: Sequence[socket.socket]) -> tuple[Listener, ...]:
    for sock in sockets:
        sock.setblocking(False)
        sock.listen()
    return tuple(Listener(sock, f"http://{':'.join(map(str, sock.getsockname()[:2]))}") for sock in sockets)
