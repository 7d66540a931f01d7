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


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that was not answered with 200."""

    request: str
    """Its name, unlike all others: it is in its target, and so in what the server writes about it."""
    fate: str
    detail: str
    sent_at: float
    at: float
    served_by: int
    """The pid that answered the request before it on the same connection; 0 = it was the first."""


@dataclass
class Fates:
    """What became of the requests of all clients."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def good(self, seconds: float) -> None:
        with self._lock:
            self.counts["200"] += 1
            self.slowest_s = max(self.slowest_s, seconds)

    def bad(self, failure: Failure) -> None:
        with self._lock:
            self.counts[failure.fate] += 1
            self.failures.append(failure)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        return len(self.failures)

    def row(self, name: str) -> str:
        """For the table: refused, reset and so on, each with its number."""
        others = " ".join(f"{fate}={count}" for fate, count in sorted(self.counts.items()) if fate != "200")
        return f"{name:28} {self.total:7} requests {self.failed:5} failed slowest {self.slowest_s:.2f} s {others}"


class Client(threading.Thread):
    """One client: a request after the other, on kept or on fresh connections."""

    def __init__(self, port: int, fates: Fates, end: threading.Event, number: int, pause: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._fates = fates
        self._is_over = end
        self._number = number
        self._keeps = number % 2 == 0
        self._pause = pause

    def run(self) -> None:
        sock: socket.socket | None = None
        served_by = count = 0
        while not self._is_over.is_set():
            count += 1
            name = f"{self._number}-{count}"
            began = time.monotonic()
            try:
                fate, detail = "refused", ""
                if sock is None:
                    served_by = 0
                    sock = socket.create_connection(("127.0.0.1", self._port), WAIT_S)
                fate = "reset"
                fate, detail, keeps_on = self._ask(sock, name)
            except TimeoutError:
                fate, keeps_on = "timeout", False
            except OSError as error:
                detail, keeps_on = repr(error), False
            now = time.monotonic()
            if fate == "200":
                self._fates.good(now - began)
                served_by = int(detail)
            else:
                self._fates.bad(Failure(name, fate, detail, began, now, served_by))
            if not keeps_on and sock is not None:
                sock.close()
                sock = None
            self._is_over.wait(self._pause)
        if sock is not None:
            sock.close()

    def _ask(self, sock: socket.socket, name: str) -> tuple[str, str, bool]:
        """One request: its fate, the body or what came instead, and whether the connection may be used for the next."""
        close = "" if self._keeps else "Connection: close\r\n"
        sock.sendall(f"GET /?r={name}; HTTP/1.1\r\nHost: a\r\n{close}\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return "closed", f"after {data!r}", False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        length = int(fields[b"content-length"])
        while len(body) < length:
            more = sock.recv(65536)
            if not more:
                return "cut", f"after {data!r}", False
            body += more
        keeps_on = self._keeps and fields.get(b"connection") != b"close"
        return lines[0].split()[1].decode(), body.decode(), keeps_on


@contextmanager
def load(port: int, *, clients: int = 8, pause: float = 0.01) -> Iterator[Fates]:
    """Half of the clients keep their connections, half take a fresh one each time. Ends with the block."""
    fates, end = Fates(), threading.Event()
    threads = [Client(port, fates, end, number, pause) for number in range(clients)]
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
