"""The load of WebSocket questions: one message at a time on each connection, sent again when its echo has come.

Runs as a process of its own, on the load generator's cores: `python -m benchmarks.websocket_load PORT ...` prints its
report as JSON. Plain sockets and epoll, no client library: what it costs must not be what limits the server.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from benchmarks.load import LoadFailed
from benchmarks.pinning import Cores, pinned

_ROOT = Path(__file__).resolve().parents[1]
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_MASK = b"\x12\x34\x56\x78"


@dataclass(frozen=True, slots=True)
class MessageReport:
    messages: int
    seconds: float
    p50_ms: float
    p99_ms: float


def run(port: int, connections: int, size: int, seconds: int, cores: Cores) -> MessageReport:
    """Echo text messages of `size` bytes on so many connections. Raises LoadFailed."""
    with pinned(cores.load):
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(port), str(connections), str(size), str(seconds)],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
    if done.returncode != 0:
        raise LoadFailed(f"the WebSocket load ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return MessageReport(**json.loads(done.stdout))


def frame(payload: bytes, *, masked: bool) -> bytes:
    """A whole text message: masked as a client sends it, or plain as its echo comes back."""
    size = len(payload)
    flag = 0x80 if masked else 0
    if size < 126:
        head = bytes((0x81, flag | size))
    elif size < 65536:
        head = bytes((0x81, flag | 126)) + size.to_bytes(2)
    else:
        head = bytes((0x81, flag | 127)) + size.to_bytes(8)
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


def echo(port: int, connections: int, size: int, seconds: float) -> MessageReport:
    """The load itself. Raises OSError and ValueError when the server does not do what it should."""
    payload = (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]
    sent, expected = frame(payload, masked=True), frame(payload, masked=False)
    poll = select.epoll()
    sockets = {}
    for _ in range(connections):
        sock = _open(port)
        poll.register(sock.fileno(), select.EPOLLIN)
        sockets[sock.fileno()] = sock
    arrived = dict.fromkeys(sockets, b"")
    since = dict.fromkeys(sockets, monotonic())
    took: list[float] = []
    begun = monotonic()
    for sock in sockets.values():
        sock.sendall(sent)
    while (now := monotonic()) < begun + seconds:
        for fd, _ in poll.poll(1.0):
            sock = sockets[fd]
            data = arrived[fd] + sock.recv(1 << 20)
            if len(data) < len(expected):
                if not data:
                    raise ValueError("the server closed a connection")
                arrived[fd] = data
                continue
            if data != expected:
                raise ValueError(f"expected {expected[:40]!r}, got {data[:40]!r}")
            arrived[fd] = b""
            now = monotonic()
            took.append(now - since[fd])
            since[fd] = now
            sock.sendall(sent)
    took.sort()
    return MessageReport(
        messages=len(took),
        seconds=now - begun,
        p50_ms=took[len(took) // 2] * 1000 if took else float("nan"),
        p99_ms=took[len(took) * 99 // 100] * 1000 if took else float("nan"),
    )


def _open(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(_HANDSHAKE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        data = sock.recv(4096)
        if not data:
            break
        answer += data
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise ValueError(f"the handshake was answered {answer[:80]!r}")
    return sock


if __name__ == "__main__":
    port, connections, size, seconds = map(int, sys.argv[1:5])
    print(json.dumps(asdict(echo(port, connections, size, seconds))))
