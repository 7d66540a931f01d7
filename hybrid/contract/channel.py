"""A socketpair between the arbiter and one worker. Messages in both directions; EOF means the other side died.

A stream socket with a JSON object per line rather than SOCK_SEQPACKET, which macOS does not have.
Both ends are non-blocking: the arbiter must never wait for a worker. What the kernel's buffer does
not take is kept and sent with the next call.
"""

from __future__ import annotations

import socket

from hybrid.contract.messages import Message, decode, encode

_MOST_AT_ONCE = 1 << 20
"""Bytes taken in by one call: the rest is there at the next, and others get their turn."""

_LONGEST_LINE = 4 << 20
"""Whoever sends more without an end of line does not speak our language."""


class Channel:
    """One end. `fileno()` is for the owner's event loop; `receive()` when it is readable."""

    __slots__ = ("_in", "_out", "_socket", "is_open")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._in = b""
        self._out = b""
        self.is_open = True

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends, close-on-exec."""
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(left), cls(right)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Queue and try to send; never blocks, never raises: a dead peer shows as EOF on receive()."""
        self._out += encode(message)
        self.flush()

    def flush(self) -> None:
        """Send what an earlier call could not. No-op when nothing waits."""
        while self._out and self.is_open:
            try:
                sent = self._socket.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._out = b""
                return
            self._out = self._out[sent:]

    @property
    def has_unsent(self) -> bool:
        """Does something still wait for room in the kernel's buffer?"""
        return bool(self._out) and self.is_open

    def receive(self) -> list[Message]:
        """The complete messages that have arrived; after EOF, `is_open` is False.

        A line without an end breaks the connection: the other side, too, then sees EOF.
        """
        taken = 0
        while taken < _MOST_AT_ONCE:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b""
            if not data:
                self.is_open = False
                break
            self._in += data
            taken += len(data)
        if len(self._in) > _LONGEST_LINE and b"\n" not in self._in:
            self._in = b""
            self._break()
        *lines, self._in = self._in.split(b"\n")
        return [message for line in lines if (message := decode(line)) is not None]

    def _break(self) -> None:
        """The descriptor stays until `close()`: somebody may be watching it."""
        self.is_open = False
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side was quicker
            pass

    def close(self) -> None:
        self.is_open = False
        self._socket.close()
