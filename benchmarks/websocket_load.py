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
from benchmarks.rate_load import percentile

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


@dataclass(frozen=True, slots=True)
class MessageLoad:
    connections: int
    size: int
    """Bytes of a text message."""
    seconds: int
    is_broadcast: bool = False
    """The first connection sends, and all get it; else each sends and gets its own."""


def run(port: int, load: MessageLoad, cores: Cores) -> MessageReport:
    """In a process of its own. Raises LoadFailed."""
    with pinned(cores.load):
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(port), json.dumps(asdict(load))],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=load.seconds + 60,
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


def echo(port: int, load: MessageLoad) -> MessageReport:
    """The load itself. Raises OSError and ValueError when the server does not do what it should."""
    payload = (b"abcdefghijklmnopqrstuvwxyz" * (load.size // 26 + 1))[: load.size]
    sent, expected = frame(payload, masked=True), frame(payload, masked=False)
    poll = select.epoll()
    sockets = {}
    for _ in range(load.connections):
        sock = _open(port)
        poll.register(sock.fileno(), select.EPOLLIN)
        sockets[sock.fileno()] = sock
    speakers = list(sockets.values())[:1] if load.is_broadcast else list(sockets.values())
    missing = len(sockets)  # of a broadcast
    arrived = dict.fromkeys(sockets, b"")
    since = dict.fromkeys(sockets, monotonic())
    took: list[float] = []
    begun = monotonic()
    for sock in speakers:
        sock.sendall(sent)
    while (now := monotonic()) < begun + load.seconds:
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
            if not load.is_broadcast:
                since[fd] = now
                sock.sendall(sent)
                continue
            missing -= 1
            if not missing:
                missing = len(sockets)
                since = dict.fromkeys(sockets, monotonic())
                speakers[0].sendall(sent)
    took.sort()
    return MessageReport(
        messages=len(took),
        seconds=now - begun,
        p50_ms=percentile(took, 0.5) * 1000,
        p99_ms=percentile(took, 0.99) * 1000,
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
    print(json.dumps(asdict(echo(int(sys.argv[1]), MessageLoad(**json.loads(sys.argv[2]))))))
