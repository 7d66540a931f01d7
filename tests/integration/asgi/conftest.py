"""An asgi worker in a thread of the test, as child.py would drive it, and raw sockets to talk to it."""

from __future__ import annotations

import http.client
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybrid.contract import Channel, Listener, Scoreboard, ScoreRow, WorkerContext
from hybrid.settings import Settings
from hybrid_workers.asgi import AsgiWorker

WAIT_S = 10.0


class Log(logging.Handler):
    """Keeps the records and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname} {self.format(record)}"
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait(self, part: str) -> str:
        """The first line that contains this."""
        with self._changed:
            found = self._changed.wait_for(lambda: [line for line in self.lines if part in line], WAIT_S)
        assert found, f"{part!r} is not in the log: {self.lines}"
        return found[0]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.lines if line.startswith(("ERROR", "CRITICAL", "WARNING"))]


class Client:
    """One raw connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(WAIT_S)

    def send(self, data: bytes) -> Client:
        self.socket.sendall(data)
        return self

    def get(self, target: str = "/", *headers: str) -> Client:
        lines = [f"GET {target} HTTP/1.1", "Host: example.org", *headers, "", ""]
        return self.send("\r\n".join(lines).encode("latin-1"))

    def answer(self, method: str = "GET") -> tuple[int, http.client.HTTPMessage, bytes]:
        """One whole response."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.fp = _Unbuffered(self.socket)  # type: ignore[assignment]  # what it needs: readline, read, close
        response.begin()
        return response.status, response.headers, response.read()

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with these bytes."""
        found = b""
        while not found.endswith(mark):
            byte = self.socket.recv(1)
            assert byte, f"the connection ended after {found!r}"
            found += byte
        return found

    def rest(self) -> bytes:
        """Everything up to the server's FIN."""
        found = b""
        while data := self.socket.recv(65536):
            found += data
        return found

    def is_reset(self) -> bool:
        """The connection ends by a reset, whatever comes before it."""
        try:
            self.rest()
        except ConnectionResetError:
            return True
        return False

    def finish(self) -> None:
        """Send our FIN."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()


class _Unbuffered(io.RawIOBase):
    """Reads no byte beyond what was asked for, so that the next response stays in the socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._socket = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.recv_into(buffer)

    def readline(self, size: int | None = -1) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._socket.recv(1)
            if not byte:
                break
            line += byte
        return line

    def read(self, size: int = -1) -> bytes:
        found = b""
        while size < 0 or len(found) < size:
            data = self._socket.recv(65536 if size < 0 else size - len(found))
            if not data:
                break
            found += data
        return found


class Serving:
    """A worker that is ready."""

    def __init__(self, app: object, listeners: tuple[Listener, ...], interface: str, settings: dict[str, Any]) -> None:
        self.log = Log()
        logger = logging.Logger("hybrid.test", level=logging.DEBUG)
        logger.addHandler(self.log)
        self.arbiter, channel = Channel.pair()
        self.row: ScoreRow = Scoreboard(1).row(0)
        self.row.take(os.getpid(), 1, time.monotonic())
        self._listeners = listeners
        self.context = WorkerContext(
            settings=Settings(**{"graceful_timeout": 5.0, **settings}),
            pool="main",
            slot=0,
            generation=1,
            arbiter_pid=os.getppid(),
            listeners=listeners,
            channel=channel,
            row=self.row,
            log=logger,
            app=app,
            interface=interface,
        )
        self.worker = AsgiWorker(self.context)
        self.failure: BaseException | None = None
        self._is_booted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asgi worker")
        self._clients: list[Client] = []

    def start(self) -> Serving:
        self._thread.start()
        assert self._is_booted.wait(WAIT_S)
        if self.failure is not None:
            raise self.failure
        return self

    def _run(self) -> None:
        try:
            self.worker.boot()
            self._is_booted.set()
            self.worker.serve()
        except BaseException as error:
            self.failure = error
        finally:
            self._is_booted.set()

    def connect(self, index: int = 0) -> Client:
        listener = self._listeners[index].socket
        sock = socket.socket(listener.family)
        sock.settimeout(WAIT_S)
        sock.connect(listener.getsockname())
        if listener.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        self._clients.append(client)
        return client

    def stop(self, *, graceful: bool = True) -> Serving:
        self.worker.stop(graceful=graceful)
        return self

    def wait_end(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the worker does not end"

    def close(self) -> None:
        """Whatever happened, leave nothing behind."""
        for client in self._clients:
            client.close()
        if self._thread.is_alive():
            self.worker.stop(graceful=False)
        self._thread.join(WAIT_S)
        self.arbiter.close()
        self.context.channel.close()
        assert not self._thread.is_alive(), "the worker does not end"


Serve = Callable[..., Serving]


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(loop_name: str, tmp_path: Path) -> Iterator[Serve]:
    """Start a worker: `serve(app, setting=value...)`. Listens on TCP (0) and on a unix socket (1)."""
    started: list[Serving] = []
    sockets: list[socket.socket] = []

    def start(app: object, *, interface: str = "asgi", **settings: Any) -> Serving:
        tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / f"{len(started)}.sock"))
        for listener in (tcp, unix):
            listener.listen(128)
            listener.setblocking(False)
            sockets.append(listener)
        serving = Serving(
            app,
            (Listener(tcp, "http://127.0.0.1"), Listener(unix, "unix:test.sock")),
            interface,
            {"loop": loop_name, **settings},
        )
        started.append(serving)
        return serving.start()

    yield start
    for serving in started:
        serving.close()
    for sock in sockets:
        sock.close()
