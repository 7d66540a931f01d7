"""Requests at a fixed rate: an open loop, which does not wait for the server as wrk does.

Each request has its time, whether or not those before it were answered, and its latency counts from that time: a server
that stands still for a second makes every request late that should have been sent meanwhile, as its visitors would be.
Runs as a process of its own: `python -m benchmarks.rate_load PORT PATH RATE CONNECTIONS SECONDS` prints JSON.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from benchmarks.load import LoadFailed
from benchmarks.pinning import Cores, pinned

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class RateReport:
    sent: int
    answered: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    sender_late_ms: float
    """The 99th percentile of how late the load itself sent: if this is large, the load was too much for its core."""


def run(port: int, path: str, rate: float, connections: int, seconds: int, cores: Cores) -> RateReport:
    """Send `rate` requests a second on so many connections. Raises LoadFailed."""
    arguments = [str(port), path, str(rate), str(connections), str(seconds)]
    with pinned(cores.load):
        done = subprocess.run(
            [sys.executable, "-m", __name__, *arguments],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
    if done.returncode != 0:
        raise LoadFailed(f"the load at a fixed rate ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return RateReport(**json.loads(done.stdout))


def percentile(ordered: list[float], share: float) -> float:
    """Of sorted values; NaN of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def answer_end(data: bytes) -> int:
    """Where the first answer in these bytes ends; 0 if it is not whole yet. Raises ValueError without a length."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    lower = data[:head].lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0 or not lower.startswith(b"http/1.1 200"):
        raise ValueError(f"expected 200 with a length, got {data[:80]!r}")
    end = head + 4 + int(lower[at + 17 :].split(b"\r\n", 1)[0])
    return end if len(data) >= end else 0


class _Client:
    """One connection with the times at which its unanswered requests were due."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due: deque[float] = deque()
        self.data = b""


def send(port: int, path: str, rate: float, connections: int, seconds: float) -> RateReport:
    """The load itself. The next request goes to the connection that has the fewest unanswered ones."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    for _ in range(connections):
        client = _Client(port)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)
    idle = deque(clients.values())
    waiting: deque[float] = deque()  # due, but every connection has a request under way
    took: list[float] = []
    late: list[float] = []
    total = int(rate * seconds)
    begun = monotonic()
    sent = 0
    while len(took) < total and (now := monotonic()) < begun + seconds + 10:
        while sent < total and (due := begun + sent / rate) <= now:
            late.append(now - due)
            waiting.append(due)
            sent += 1
        while waiting and idle:
            client = idle.popleft()
            client.due.append(waiting.popleft())
            client.socket.sendall(request)
        pause = max(0.0, begun + sent / rate - monotonic()) if sent < total else 1.0
        # epoll counts in milliseconds and sleeps too long: below one, look again at once.
        for fd, _ in poll.poll(pause if pause > 0.002 else 0):
            client = clients[fd]
            data = client.socket.recv(1 << 18)
            if not data:
                if client.due:
                    raise ValueError("the server closed a connection instead of an answer")
                idle.remove(client)
                client = _again(client, clients, poll, port)
                idle.append(client)
                continue
            client.data += data
            if end := answer_end(client.data):
                is_last = b"\r\nconnection: close" in client.data[:end].lower()
                client.data = client.data[end:]
                took.append(monotonic() - client.due.popleft())
                if is_last:
                    client = _again(client, clients, poll, port)
                idle.append(client)
    took.sort()
    late.sort()
    return RateReport(
        sent=sent,
        answered=len(took),
        p50_ms=percentile(took, 0.5) * 1000,
        p99_ms=percentile(took, 0.99) * 1000,
        p999_ms=percentile(took, 0.999) * 1000,
        sender_late_ms=percentile(late, 0.99) * 1000,
    )


def _again(client: _Client, clients: dict[int, _Client], poll: select.epoll, port: int) -> _Client:
    """A new connection in place of one that the server ends."""
    fd = client.socket.fileno()
    poll.unregister(fd)
    del clients[fd]
    client.socket.close()
    client = _Client(port)
    clients[client.socket.fileno()] = client
    poll.register(client.socket.fileno(), select.EPOLLIN)
    return client


if __name__ == "__main__":
    print(json.dumps(asdict(send(int(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:4]), *map(int, sys.argv[4:6])))))
