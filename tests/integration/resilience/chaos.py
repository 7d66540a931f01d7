"""Constant load on one address, and the fate of every request as its client saw it."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.integration.server import WAIT_S

PATH = "/"


@dataclass
class Fates:
    """What became of the requests of all clients."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, fate: str, detail: str = "") -> None:
        with self._lock:
            self.counts[fate] += 1
            if fate != "200":
                self.failures.append(f"{fate} {detail} at {time.monotonic():.3f}")

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        return self.total - self.counts["200"]

    def row(self, name: str) -> str:
        others = " ".join(f"{fate}={count}" for fate, count in sorted(self.counts.items()) if fate != "200")
        return f"{name:40} {self.total:7} requests {self.failed:5} failed {others}"


class Client(threading.Thread):
    """One client: a request after the other, on kept or on fresh connections."""

    def __init__(self, port: int, fates: Fates, end: threading.Event, keeps: bool, pause: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._fates = fates
        self._end_ = end
        self._keeps = keeps
        self._pause = pause

    def run(self) -> None:
        sock: socket.socket | None = None
        while not self._end_.is_set():
            try:
                if sock is None:
                    sock = socket.create_connection(("127.0.0.1", self._port), WAIT_S)
            except OSError as error:
                self._fates.note("refused", repr(error))
                self._end_.wait(0.05)
                continue
            keeps_on = False
            try:
                keeps_on = self._ask(sock)
            except OSError as error:
                self._fates.note("reset" if isinstance(error, ConnectionError) else "timeout", repr(error))
            if not keeps_on:
                sock.close()
                sock = None
            self._end_.wait(self._pause)
        if sock is not None:
            sock.close()

    def _ask(self, sock: socket.socket) -> bool:
        """One request; whether the connection may be used for the next."""
        field_ = "" if self._keeps else "Connection: close\r\n"
        sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: a\r\n{field_}\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                self._fates.note("closed", f"after {data!r}")
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        length = int(fields[b"content-length"])
        while len(body) < length:
            more = sock.recv(65536)
            if not more:
                self._fates.note("cut")
                return False
            body += more
        self._fates.note(lines[0].split()[1].decode())
        return self._keeps and fields.get(b"connection") != b"close"


@contextmanager
def load(port: int, *, clients: int = 8, pause: float = 0.01) -> Iterator[Fates]:
    """Half of the clients keep their connections, half take a fresh one each time. Ends with the block."""
    fates, end = Fates(), threading.Event()
    threads = [Client(port, fates, end, keeps=number % 2 == 0, pause=pause) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield fates
    finally:
        end.set()
        for thread in threads:
            thread.join(WAIT_S)


@contextmanager
def bound() -> Iterator[socket.socket]:
    """A listening socket that outlives every server on it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        yield listener
