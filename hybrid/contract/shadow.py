"""The way of a copy: from the worker that answered a request to the one that asks another pool for a second opinion.

One unix SOCK_SEQPACKET socketpair, made by the arbiter: every worker holds the sending end, the shadow worker alone
receives. Sending never waits. What does not fit into the kernel's buffer is dropped, and who sends counts it: that
buffer is all the memory that shadow traffic can take, however slow the receiver.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hybrid.routing.shadow import ShadowRule

MOST_BODY: Final = 64 * 1024
"""Of a request's body, and how much of a response's content travels; of longer ones, length and digest do."""
MOST_BYTES: Final = 192 * 1024
"""Of one message."""

_BUFFER_BYTES: Final = 1024 * 1024
"""What the kernel is asked for; it gives what its limits allow."""
_PARTS: Final = 9
_HEAD: Final = struct.Struct(f"=ddqiiB{_PARTS}I")
_IS_CUT: Final = 1
_HAS_CLIENT: Final = 2


@dataclass(slots=True)
class Copy:
    """A request that was answered, and how."""

    pattern: str
    """Of the shadow rule."""
    pool: str
    """Where the copy goes."""
    head: bytes
    """The request's, as received, and its body without framing."""
    body: bytes
    method: str
    reply: bytes
    """The response as it went out; of a long one the head as it went out and the beginning of the content."""
    seconds: float
    """How long the real answer took."""
    at: float
    """When it was given; monotonic. An old copy would meet an application that has changed meanwhile."""
    client: tuple[str, int] | None = None
    server: tuple[str, int | None] = ("", None)
    is_cut: bool = False
    """`reply` is the beginning of a long one; `length` and `digest` (b"" if it is not known) are of all its content."""
    length: int = -1
    digest: bytes = b""


def encode(copy: Copy) -> bytes:
    """One message."""
    client = copy.client or ("", 0)
    host, port = copy.server
    parts = (
        copy.pattern.encode(),
        copy.pool.encode(),
        client[0].encode(),
        host.encode("utf-8", "surrogateescape"),
        copy.method.encode(),
        copy.head,
        copy.body,
        copy.reply,
        copy.digest,
    )
    flags = copy.is_cut * _IS_CUT | (copy.client is not None) * _HAS_CLIENT
    head = _HEAD.pack(
        copy.seconds, copy.at, copy.length, client[1], -1 if port is None else port, flags, *map(len, parts)
    )
    return b"".join((head, *parts))


def decode(data: bytes) -> Copy:
    """Back from `encode()`."""
    seconds, at_time, length, client_port, port, flags, *sizes = _HEAD.unpack_from(data)
    parts, at = [], _HEAD.size
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    pattern, pool, client, host, method, head, body, reply, digest = parts
    return Copy(
        pattern=pattern.decode(),
        pool=pool.decode(),
        head=head,
        body=body,
        method=method.decode(),
        reply=reply,
        seconds=seconds,
        at=at_time,
        client=(client.decode(), client_port) if flags & _HAS_CLIENT else None,
        server=(host.decode("utf-8", "surrogateescape"), None if port < 0 else port),
        is_cut=bool(flags & _IS_CUT),
        length=length,
        digest=digest,
    )


class ShadowQueue:
    """Both ends; a process uses one."""

    __slots__ = ("_receiving", "_sending")

    def __init__(self) -> None:
        self._sending, self._receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end, option in ((self._sending, socket.SO_SNDBUF), (self._receiving, socket.SO_RCVBUF)):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)

    def send(self, message: bytes) -> bool:
        """False when there is no room for it now, or nobody receives any more."""
        try:
            self._sending.send(message)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EMSGSIZE, errno.ENOBUFS, errno.EPIPE, errno.ECONNRESET):
                return False
            raise
        return True

    def receive(self) -> Copy | None:
        """The next one that waits, if one does."""
        try:
            data = self._receiving.recv(MOST_BYTES + _HEAD.size)
        except (BlockingIOError, InterruptedError):
            return None
        return decode(data) if data else None

    def fileno(self) -> int:
        """Of the receiving end."""
        return self._receiving.fileno()

    def close(self) -> None:
        self._sending.close()
        self._receiving.close()


@dataclass(frozen=True, slots=True)
class ShadowPart:
    """What a worker needs to have copies made, and the shadow worker to send them."""

    queue: ShadowQueue
    rules: tuple[ShadowRule, ...]
