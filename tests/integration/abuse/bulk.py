"""Clients that send and take a lot, or too slowly, and what a worker's memory does meanwhile."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from tests.integration.server import WAIT_S, Server
from tests.integration.workers.wire import Client, get

APPS = Path(__file__).parent
MB = 1 << 20

KINDS = {
    "sync": ("-k", "sync", "bulk_app:wsgi_app"),
    "gthread": ("-k", "gthread", "--threads", "4", "bulk_app:wsgi_app"),
    "gevent": ("-k", "gevent", "bulk_app:wsgi_app"),
    "asgi-wsgi": ("-k", "asgi", "bulk_app:wsgi_app"),
    "asgi": ("-k", "asgi", "bulk_app:asgi_app"),
}


def start(kind: str, *options: str) -> Server:
    return Server([*options, *KINDS[kind]], APPS)


def memory(pid: int) -> int:
    """Bytes that a process has written to and holds: not files that it maps, which the kernel takes back."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def settled(pid: int) -> int:
    """`memory()` once it has not changed for a while: a worker lets go of what it kept at hand."""
    seen = [memory(pid)]
    until = monotonic() + WAIT_S
    while len(set(seen[-20:])) > 1 or len(seen) < 20:
        assert monotonic() < until, f"the memory of an idle worker goes on changing: {seen[-20:]}"
        sleep(0.1)
        seen.append(memory(pid))
    return seen[-1]


class Growth:
    """The most memory that a worker had more than at the beginning."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = memory(pid)
        self.most = 0

    def look(self) -> int:
        now = memory(self._pid) - self._before
        self.most = max(self.most, now)
        return now


@contextmanager
def watched(pid: int) -> Iterator[Growth]:
    """Looks every few milliseconds, in a thread."""
    growth = Growth(pid)
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.005):
            growth.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield growth
    finally:
        is_over.set()
        thread.join(WAIT_S)


def warmed_up(server: Server) -> int:
    """The worker's pid, after it has done everything once."""
    (pid,) = server.wait_ready()
    with server.connected() as sock:
        client = Client(sock)
        assert client.ask(get("/")).body == b"0"
    upload(server, 2)
    download(server, 2)
    return pid


def upload(server: Server, megabytes: int) -> None:
    block = b"\xa5" * MB
    with server.connected() as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (megabytes * MB))
        for _ in range(megabytes):
            sock.sendall(block)
        assert Client(sock).hear().body == b"%d" % (megabytes * MB)


def download(server: Server, megabytes: int) -> None:
    """Reads the content as it comes, and only counts it."""
    with server.connected() as sock:
        sock.sendall(get(f"/download/{megabytes}", version="1.0"))
        count = 0
        buffer = bytearray(MB)
        while size := sock.recv_into(buffer):
            count += size
        assert megabytes * MB < count < megabytes * MB + 1000


@contextmanager
def narrow(server: Server) -> Iterator[socket.socket]:
    """A client whose side takes little ahead."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(WAIT_S)
        sock.connect(("127.0.0.1", server.port))
        yield sock


def connect_many(server: Server, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", server.port), WAIT_S) for _ in range(count)]


def close_all(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()


def send_for_ever(server: Server, head: bytes, piece: bytes, limit: int, clients: int) -> list[bytes]:
    """Many clients send the piece again and again until each is refused, or has sent `limit` bytes.

    What each got as an answer; b"" for one that could send all of it, or was cut off.
    """
    selector = selectors.DefaultSelector()
    answers: list[bytes] = []
    payload = memoryview(piece * max(1, 65536 // len(piece)))
    for client in connect_many(server, clients):
        client.sendall(head)
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE, [0, 0])
    while selector.get_map():
        events = selector.select(WAIT_S)
        assert events, "the server neither reads nor answers"
        for key, event in events:
            client = key.fileobj
            assert isinstance(client, socket.socket)
            ended: bytes | None = None
            try:
                if event & selectors.EVENT_READ:
                    ended = client.recv(65536)
                elif key.data[0] >= limit:
                    ended = b""
                else:
                    # A partial piece must go on where it ended, or what is sent would be something else.
                    sent = client.send(payload[key.data[1] :])
                    key.data[0] += sent
                    key.data[1] = (key.data[1] + sent) % len(payload)
            except BlockingIOError:
                pass
            except OSError:
                ended = b""
            if ended is not None:
                answers.append(ended)
                selector.unregister(client)
                with suppress(OSError):
                    client.close()
    selector.close()
    return answers
