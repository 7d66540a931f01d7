"""The queue of a pool: connections on their way to whichever of its workers takes them next.

One SOCK_SEQPACKET socketpair, made by the arbiter before the first fork and kept as long as the pool: every worker of
every pool has both ends, so that anybody may send and what a dead pool has not taken can still be answered. A message
is one connection: its descriptor, the bytes read from it so far, and the facts that are not in the socket. The kernel
gives each message to one receiver, whole.

What is longer than a page travels in a memory file beside the connection, so that a message is always small and the
bound on their number is what bounds the queue. The number is a word in shared memory that nobody locks: two who change
it at once may leave it wrong by one, and whoever finds the queue empty puts it right.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import resource
import socket
import struct
import sys
import termios
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic
from typing import Final

INLINE: Final = 3072
"""So many bytes travel in the message itself: most heads do."""
MOST: Final = 1024 * 1024
"""More than this was read of no connection that may be handed over: see `Handed.data`."""
MOST_COOKIE: Final = 2048
DEFAULT_DEPTH: Final = 64
MARK: Final = b"x-hybrid-shadow"
"""The field that a copy of a request carries: see Kind.SHADOW."""

_HEAD: Final = struct.Struct("=BHIIIdHHHHI")
# kind, client port, server port, ahead, length of data, deadline,
# lengths of client, server, route, cookie and inline data
_NO_PORT: Final = 0x10000
_FD: Final = struct.Struct("i")
_LARGEST: Final = _HEAD.size + INLINE + MOST_COOKIE + 4096
_ANCILLARY: Final = socket.CMSG_SPACE(2 * _FD.size)
# Numbers and no members of an enumeration: those cost more each time they are used.
_CLOEXEC: Final = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
_DONTWAIT: Final = int(socket.MSG_DONTWAIT)
_SOCKET: Final = int(socket.SOL_SOCKET)
_RIGHTS: Final = int(socket.SCM_RIGHTS)
_STREAM: Final = int(socket.SOCK_STREAM) | int(getattr(socket, "SOCK_NONBLOCK", 0))
_IS_SURE: Final = hasattr(socket, "SOCK_NONBLOCK")
"""A socket object can be told that its descriptor does not block, as all that come here do not."""
_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS, errno.EMSGSIZE, errno.EMFILE, errno.ENFILE})
_COUNT: Final = 0
_SINCE: Final = 1
_RECEIVERS: Final = 8
"""The word of slot 0: the pid of the worker in it, while that one receives."""
_SLOTS: Final = 1016
_LEAST_UNREAD: Final = 512
"""Bytes that the kernel counts for a message, at the very least: what it needs to keep track of one."""
_UNREAD: Final[int] = getattr(termios, "TIOCOUTQ", 0) if sys.platform == "linux" else 0


class Kind(IntEnum):
    """Why a connection is in a queue."""

    REQUEST = 0
    """A request that was routed to this pool: it is not routed again."""
    RELIEF = 1
    """A busy worker has no time for it; what is on it is not known, or not routed yet."""
    SHADOW = 2
    """A copy of a request; its answer is compared and thrown away."""


@dataclass(slots=True)
class Handed:
    """A connection on its way. The receiver parses `data` from its first byte, as if it had read it itself."""

    kind: Kind
    deadline: float
    """Who takes it later than this answers 503; monotonic."""
    client: tuple[str, int] | None
    server: tuple[str, int | None]
    data: bytes = b""
    """Everything read and not yet answered: the head, what has come of the body, pipelined requests."""
    set_cookie: bytes = b""
    """For the response to the first request."""
    route: str = ""
    """The pattern of the route that chose the pool, for the first request; "" if none did."""
    ahead: int = 0
    """How many requests the client has sent ahead of their answers: see `hybrid.http1.receiver.Receiver`."""


_KINDS: Final = tuple(Kind)


class Queue:
    """Both ends. `send()` and `receive()` never wait."""

    __slots__ = ("_floats", "_is_near_limit", "_most_fds", "_receiver", "_sender", "_words", "depth", "is_starved")

    def __init__(self, depth: int = DEFAULT_DEPTH) -> None:
        """`depth` is how many connections may wait."""
        self.depth = depth
        self.is_starved = False
        """There was no descriptor left for what waits; set back by whoever wants to try again."""
        self._is_near_limit = True
        self._most_fds = 0
        self._sender, self._receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sender.setblocking(False)
        self._receiver.setblocking(False)
        self._sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(1 << 16, depth * 2 * _LARGEST))
        memory = memoryview(mmap.mmap(-1, (_RECEIVERS + _SLOTS) * 8))
        self._words: memoryview[int] = memory.cast("q")
        self._floats: memoryview[float] = memory.cast("d")

    def fileno(self) -> int:
        """Readable when there is something to receive."""
        return self._receiver.fileno()

    @property
    def waiting(self) -> int:
        """How many connections wait; may be off by a few while others send and receive."""
        return self._words[_COUNT]

    def is_overdue(self, now: float, patience: float) -> bool:
        """The first in the queue has waited for longer than `patience` seconds, and nobody has taken any meanwhile."""
        return self._words[_COUNT] > 0 and now - self._floats[_SINCE] > patience

    def enter(self, slot: int, pid: int) -> None:
        """The worker in this slot receives from now on."""
        self._words[_RECEIVERS + slot % _SLOTS] = pid

    def leave(self, slot: int) -> None:
        """The worker in this slot receives no more."""
        self._words[_RECEIVERS + slot % _SLOTS] = 0

    def receivers(self) -> list[int]:
        """The slots of the workers that receive, or did when they died."""
        return [slot for slot, pid in enumerate(self._words[_RECEIVERS:]) if pid]

    def has_receiver(self) -> bool:
        """Some worker receives, though it may be about to stop. Dear, for it asks the kernel of each."""
        return any(pid and _is_alive(pid) for pid in self._words[_RECEIVERS:])

    def send(self, fd: int, handed: Handed) -> bool:
        """Give a connection away, which is then to be closed here. False, and nothing has happened, if it is full."""
        words = self._words
        count = words[_COUNT]
        if count >= self.depth:
            if not self._is_miscounted():
                return False
            count = words[_COUNT]
        packed = pack(handed)
        if packed is None:
            return False
        if count <= 0:
            count = 0
            self._floats[_SINCE] = monotonic()
        words[_COUNT] = count + 1  # before it is there: who takes it asks by this whether there is more
        memory = -1
        try:
            rights = _FD.pack(fd)
            if len(handed.data) > INLINE:
                memory = _memory(handed.data)
                rights += _FD.pack(memory)
            self._sender.sendmsg((packed,), ((_SOCKET, _RIGHTS, rights),), _DONTWAIT)
        except OSError as error:
            words[_COUNT] = max(0, words[_COUNT] - 1)
            if error.errno in _FULL:
                return False
            raise
        finally:
            if memory >= 0:
                os.close(memory)
        return True

    def receive(self, kind: type[socket.socket] = socket.socket) -> tuple[socket.socket, Handed] | None:
        """The next connection, as a non-blocking socket; None if there is none. What cannot be understood is closed."""
        while True:
            if self._is_near_limit and not self._has_descriptors():
                return None
            try:
                packed, ancillary, _, _ = self._receiver.recvmsg(_LARGEST, _ANCILLARY, _CLOEXEC)
            except (BlockingIOError, InterruptedError):
                self._words[_COUNT] = 0
                return None
            words = self._words
            words[_COUNT] = max(0, words[_COUNT] - 1)
            self._floats[_SINCE] = monotonic()
            fds: list[int] = []
            for level, what, data in ancillary:
                if level == _SOCKET and what == _RIGHTS:
                    fds += _FD.unpack(data) if len(data) == _FD.size else _descriptors(data)
            handed = _received(packed, fds)
            if handed is not None:
                self._is_near_limit = fds[0] > self._most_fds
                # Of which family it is the kernel says anyway; what else is not said here would be asked for.
                sock = kind(-1, _STREAM, 0, fds[0])
                if not _IS_SURE:
                    sock.setblocking(False)
                return sock, handed
            for fd in fds:
                os.close(fd)

    def send_back(self, sock: socket.socket, handed: Handed, patience: float) -> None:
        """What was received is somebody else's after all: to the end of the queue, and close the socket."""
        try:
            self.send(sock.fileno(), handed)
        finally:
            sock.close()
        self._floats[_SINCE] = handed.deadline - patience

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()

    def _has_descriptors(self) -> bool:
        """The kernel closes a connection that is received when there is no descriptor left for it: so ask before.

        Numbers are given out from the lowest, so that the last one says whether the limit is near enough for that.
        """
        self._most_fds = resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4
        try:
            spare = os.dup(self._receiver.fileno())
            try:
                os.close(os.dup(spare))
            finally:
                os.close(spare)
        except OSError:
            self.is_starved = True
            return False
        return True

    def _is_miscounted(self) -> bool:
        """The count says full: ask the kernel whether that can be, for a receiver may have died before it counted."""
        if not _UNREAD:
            return False
        unread = int.from_bytes(fcntl.ioctl(self._sender, _UNREAD, bytes(4)), sys.byteorder)
        most = unread // _LEAST_UNREAD
        if most >= self.depth:
            return False
        self._words[_COUNT] = most
        return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is, and somebody else's
        pass
    return True


def pack(handed: Handed) -> bytes | None:
    """The message, but for data that travels beside it. None if it is too long to be handed over."""
    client, server = handed.client, handed.server
    host = client[0].encode() if client is not None else b""
    ours = server[0].encode("utf-8", "surrogateescape")
    route = handed.route.encode()
    data = handed.data
    inline = data if len(data) <= INLINE else b""
    cookie = handed.set_cookie
    if len(data) > MOST or len(cookie) > MOST_COOKIE or len(host) + len(ours) + len(route) > 4096:
        return None
    head = _HEAD.pack(
        handed.kind,
        client[1] if client is not None else 0,
        server[1] if server[1] is not None else _NO_PORT,
        handed.ahead,
        len(data),
        handed.deadline,
        len(host),
        len(ours),
        len(route),
        len(cookie),
        len(inline),
    )
    return b"".join((head, host, ours, route, cookie, inline))


def unpack(packed: bytes, memory: int = -1) -> Handed:
    """What `pack()` has made. `memory` is the descriptor of data that came beside it. Raises ValueError."""
    try:
        (
            kind, port, our_port, ahead, length, deadline, host_size, ours_size,
            route_size, cookie_size, inline_size,
        ) = _HEAD.unpack_from(packed)  # fmt: skip
    except struct.error as error:
        raise ValueError(str(error)) from None
    if kind >= len(_KINDS):
        raise ValueError(f"found kind {kind}, expected less than {len(_KINDS)}")
    at = _HEAD.size
    if len(packed) != at + host_size + ours_size + route_size + cookie_size + inline_size:
        raise ValueError("a message that was cut")
    host = packed[at : (at := at + host_size)].decode()
    ours = packed[at : (at := at + ours_size)].decode("utf-8", "surrogateescape")
    route = packed[at : (at := at + route_size)].decode()
    cookie = packed[at : (at := at + cookie_size)]
    data = packed[at:]
    if length != inline_size:
        data = _read(memory, length)
    return Handed(
        _KINDS[kind],
        deadline,
        (host, port) if host else None,
        (ours, our_port if our_port != _NO_PORT else None),
        data,
        cookie,
        route,
        ahead,
    )


def _descriptors(data: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f"{len(data) // _FD.size}i", data)


def _received(packed: bytes, fds: list[int]) -> Handed | None:
    """None for a message without its connection: there was no descriptor left for it, or it is none of ours."""
    if not fds:
        return None
    try:
        handed = unpack(packed, fds[1] if len(fds) > 1 else -1)
    except (ValueError, OSError):
        return None
    for memory in fds[1:]:
        os.close(memory)
    return handed


def _memory(data: bytes) -> int:
    """A file in memory with this content."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hybrid-handed", os.MFD_CLOEXEC)
    else:
        import tempfile  # costs 5 ms, and nothing where memory files exist

        with contextlib.closing(tempfile.TemporaryFile()) as file:
            fd = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _read(fd: int, size: int) -> bytes:
    if fd < 0:
        raise ValueError("the data did not come with the message")
    data = os.pread(fd, size, 0)
    if len(data) != size:
        raise ValueError(f"found {len(data)} bytes beside the message, expected {size}")
    return data
