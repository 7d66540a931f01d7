"""One client connection of a WSGI worker: its socket, what is read of it and what is to be written to it.

Most of it never blocks and is driven by the reactor. The two things that WSGI makes an application
wait for - more of a body, room for write() - block here, by `wait()`, each under its deadline.

The socket may be anything with the methods used here that raises BlockingIOError where it would block:
a TLS transport comes in by that door.
"""

from __future__ import annotations

import _socket
import os
import select
import socket
from collections.abc import Callable
from enum import IntEnum
from fcntl import ioctl
from functools import partial
from math import inf
from termios import FIONREAD
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from hybrid.errors import ClientGone, ProtocolError
from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import MOST_PIECES
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.interim import CONTINUE
from hybrid.http1.receiver import Receiver
from hybrid.http1.response import Prefixes
from hybrid.wsgi import BrokenBody, Environ, FilePart, Piece
from hybrid_workers.reader import Reader
from hybrid_workers.reset import reset_at_close

if TYPE_CHECKING:
    from hybrid.contract.queue import Handed
    from hybrid_workers.held import Hold
    from hybrid_workers.overflow import Overflow
    from hybrid_workers.spool import Spool, Spooling
    from hybrid_workers.tls_transport import TlsTransport

READ_SIZE: Final = 65536
HIGH_WATER: Final = 65536
"""With so much to write that the client does not take, the application is not asked for more."""

_READ, _WRITE = select.POLLIN, select.POLLOUT
_NONE: Final = bytes(4)
_unread: Final = bytearray(4)
"""Where the kernel puts an answer. Only the thread of the reactor asks."""


class Phase(IntEnum):
    """What a connection is waiting for. Up to HEAD the next bytes belong to a request head."""

    FIRST = 0
    """The first byte, since accept."""
    IDLE = 1
    """The next request."""
    HEAD = 2
    """The rest of a head."""
    BODY = 3
    """The part of a body that is read before the application is called."""
    BUSY = 4
    """The application, which some thread is running."""
    WRITING = 5
    """The client, to take what is to be written."""
    LINGER = 6
    """The client, to read our last answer and close."""
    CLOSED = 7


_FIRST: Final = Phase.FIRST


class Connection:
    """Owned by the reactor; while BUSY by the thread that runs the application."""

    # Slots for what every connection reads or writes. What few need is a default of the class, as in a Call.
    __slots__ = (
        "__dict__",
        "_deadlines",
        "_out",
        "_pace",
        "before_wait",
        "call",
        "content",
        "deadline",
        "fd",
        "host",
        "out_size",
        "peer",
        "phase",
        "prefixes",
        "receiver",
        "recv",
        "send",
        "socket",
        "template",
        "watched",
    )

    handed: Handed | None = None
    """How it came here from another worker; set until its first request is read."""
    route = ""
    """The pattern that chose this worker's pool for the request under way."""
    request: Request | None = None
    """The request whose body is being read."""
    content_size = 0
    spool: Spool | None = None
    """What has come of the body before `content`, where that is more than is kept in memory."""
    hold: Hold | None = None
    """Set where the application has to wait for the body, in a thread that others may want."""
    overflow: Overflow | None = None
    """What is to be written behind `_out`, which is not empty then."""
    flushed = 0
    """Bytes written of what the client had not taken at once."""
    file: FilePart | None = None
    """The rest of a file to send, behind everything else."""
    _received = 0
    _waited = 0.0
    _waits_since = 0.0
    """When the application began to wait for the client; 0 while it does not."""
    _began = 0.0

    def __init__(
        self, sock: _socket.socket | TlsTransport, peer: Peer, receiver: Receiver, deadlines: Deadlines
    ) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.recv = sock.recv
        self.send = sock.send
        self.peer = peer
        self.host = peer.client[0].encode("latin-1", "replace") if peer.client else b"unix"
        """Whose requests these are, for the scoreboard."""
        self.receiver = receiver
        self.phase = _FIRST
        self.deadline = inf
        """When the reactor gives up waiting for what `phase` says; monotonic."""
        self.watched = 0
        """The events that the poller reports; 0: it does not know of us."""
        self.before_wait: Callable[[], None] = _nothing
        """Called before the application is made to wait for this client."""
        self.template: Environ | None = None
        self.call: Any = None
        """The call under way, from the application's start to the last byte written."""
        self.prefixes: Prefixes | None = None
        """What the response to the request under way begins with, where that is not as with all others."""
        self.content: list[bytes] = []
        self.out_size = 0
        """Bytes to write that the client has not taken, without those of a file."""
        self._out: list[memoryview] = []
        self._deadlines = deadlines

    # -- writing ------------------------------------------------------------------------------------

    @property
    def is_flushed(self) -> bool:
        """Nothing is left to write."""
        return not self.out_size and self.file is None

    def write(self, piece: Piece) -> bool:
        """Write what the client takes now and keep the rest. True if nothing is left. Raises ClientGone."""
        if type(piece) is not bytes:
            for part in piece:
                if part:
                    self.write(part)  # type: ignore[arg-type]  # the parts of a piece are bytes
            return not self._out
        if self._out:
            self._keep(memoryview(piece))
            return False
        try:
            sent = self.send(piece)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise ClientGone(str(error)) from None
        if sent < len(piece):
            self._keep(memoryview(piece)[sent:])
            return False
        return True

    def seal(self) -> None:
        """Let no thread write any more: it is told that the client has gone."""
        self.send = _sealed

    def unseal(self) -> None:
        self.send = self.socket.send

    def write_file(self, part: FilePart) -> None:
        """Send a part of a file behind what was written before. Its descriptor must stay open until it is out."""
        self.file = part
        self.flush()

    def flush(self) -> None:
        """Write what the client takes now of what was kept. Raises ClientGone."""
        while self._out:
            first = self._out[0]
            sent = self._try_send(first)
            self.out_size -= sent
            self.flushed += sent
            if sent < len(first):
                self._out[0] = first[sent:]
                return
            del self._out[0]
            if self.overflow is not None and not self._out:
                self._refill(self.overflow)
        if self.file is not None:
            self._send_file(self.file)

    def write_wholly(self, piece: Piece, spooling: Spooling | None = None) -> None:
        """Write and block until little enough is left to write, or others want the thread and there is room for what is
        left. Raises ClientGone, also after a stall."""
        if self._out:
            self.flush()
        self.write(piece)
        if self.out_size > HIGH_WATER:
            self._wait_for_room(spooling)

    def _wait_for_room(self, spooling: Spooling | None) -> None:
        reader = Reader(self._deadlines, self.fd)
        hold = spooling.hold_for_reader() if spooling is not None else None
        wait = partial(self.wait, _WRITE)
        now = monotonic()
        reader.wait(now, self.flushed)
        while self.out_size > HIGH_WATER:
            if hold is None:
                has_room = wait(reader.deadline - now)
            else:
                has_room = hold.wait(wait, reader.deadline - now)
                if not has_room and monotonic() < reader.deadline:  # others have waited for long enough
                    if spooling is not None and self._diverts(spooling):
                        return
                    hold = None
                    continue
            if not has_room and reader.is_slow(monotonic(), self.flushed):
                raise ClientGone(f"the client took too little for {self._deadlines.write:g} s")
            now = monotonic()
            self.flush()

    def _diverts(self, spooling: Spooling) -> bool:
        """What is written from now on goes into a file, if there is room for it."""
        if self.overflow is None:
            self.overflow = spooling.overflow()
        return self.overflow is not None and self.overflow.has_room

    def _refill(self, overflow: Overflow) -> None:
        data = overflow.take()
        if data:
            self._out.append(memoryview(data))
        else:
            self.overflow = None
            overflow.close()

    def _keep(self, rest: memoryview) -> None:
        if self.overflow is None:
            self._out.append(rest)
        else:
            try:
                self.overflow.add(rest)
            except OSError as error:
                raise ClientGone(f"no room for what it did not take: {error.strerror}") from error
        self.out_size += len(rest)

    def _try_send(self, data: bytes | memoryview) -> int:
        try:
            return self.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise ClientGone(str(error)) from None

    def _send_file(self, part: FilePart) -> None:
        fd, offset, size = part
        try:
            while size:
                sent = os.sendfile(self.fd, fd, offset, min(size, 1 << 20))
                if sent == 0:
                    raise ClientGone("a file became shorter while it was being sent")
                offset += sent
                size -= sent
                self.flushed += sent
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise ClientGone(str(error)) from None
        self.file = FilePart(fd, offset, size) if size else None

    # -- the body, for the application ---------------------------------------------------------------

    @property
    def is_read(self) -> bool:
        """The body of the request has come whole."""
        return self.receiver.body is None

    def wait_for_body(self, now: float) -> None:
        """Set the deadline for the next bytes of a body that the reactor is reading."""
        if self.phase != Phase.BODY:
            self.phase = Phase.BODY
            self._began = now
        self._waited = now - self._began
        self.deadline = now + self._pace.patience(self._received, self._waited)

    def take_content(self, data: bytes) -> None:
        """Decode bytes of the body and collect them for the application. Raises ProtocolError."""
        self._received += len(data)
        content = self.receiver.read_body(data)
        if content:
            self.content.append(content)
            self.content_size += len(content)
            if len(self.content) >= MOST_PIECES:
                self.content = [b"".join(self.content)]

    def waited(self, now: float) -> float:
        """For how long the client has been waited for while its request was read."""
        since = self._waits_since
        return self._waited + (now - since if since else 0.0)

    def forget_body(self) -> None:
        """The application does not get what has come: let it not precede the body of another request."""
        self.content = []
        self.content_size = 0
        spool, self.spool = self.spool, None
        if spool is not None:
            spool.close()

    def start_body(self) -> None:
        """A request with a body begins: forget what was counted for the last one."""
        self._received = 0
        self._waited = 0.0
        self._pace = self._deadlines.body_pace()  # not before: most connections never bring a body
        self.content = []
        self.content_size = 0
        self.hold = None

    def pull(self) -> bytes:
        """More of the body for wsgi.input; blocks. b"" at its end. Raises BrokenBody."""
        receiver = self.receiver
        call = self.call
        if call is not None and call.owes_continue:
            call.owes_continue = False
            if not self._received:
                self._continue()
        try:
            while receiver.body is not None:
                data = self._wait_for_body()
                self._received += len(data)
                content = receiver.read_body(data)
                if content:
                    return content
        except ProtocolError as error:
            raise BrokenBody(str(error), error) from error
        self._end_hold()
        return b""

    def _end_hold(self) -> None:
        if self.hold is not None:
            self.hold.end()

    def _continue(self) -> None:
        try:
            self.write_wholly(CONTINUE)
        except ClientGone as error:
            raise BrokenBody(f"the client has gone: {error}") from error

    def _wait_for_body(self) -> bytes:
        while True:
            try:
                data = self.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError):
                began = self._waits_since = monotonic()
                patience = self._pace.patience(self._received, self._waited)
                if patience <= 0 or not self._wait_to_read(patience):
                    raise ProtocolError(408, "the body came too slowly", "RFC 9110 section 15.5.9") from None
                self._waits_since = 0.0
                self._waited += monotonic() - began
            except OSError as error:
                raise BrokenBody(f"the client has gone: {error}") from None
            else:
                if data:
                    return data
                raise ProtocolError(400, "the body ended early", "RFC 9112 section 8")

    def _wait_to_read(self, patience: float) -> bool:
        hold = self.hold
        if hold is None:
            return self.wait(_READ, patience)
        return hold.wait(partial(self.wait, _READ), patience)

    # -- the socket ---------------------------------------------------------------------------------

    def wait(self, events: int, timeout: float) -> bool:
        """Block until the socket is ready or hung up; False when `timeout` seconds are over.

        The one place where a WSGI call waits for its client: a worker on greenlets overrides it.
        """
        self.before_wait()
        poll = select.poll()
        poll.register(self.fd, events)
        return bool(poll.poll(None if timeout == inf else max(0.0, timeout) * 1000))

    @property
    def has_unread(self) -> bool:
        """The client has sent something that nobody has read: a close would be a reset."""
        ioctl(self.fd, FIONREAD, _unread)  # a recv() that finds nothing costs three times as much
        return _unread != _NONE

    def finish_writing(self) -> None:
        """Tell the client that nothing more will come; it may still send."""
        self._end_hold()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # it has gone already
            pass

    def reset(self) -> None:
        """Make the close that follows visible as a failure: what was sent must not pass for the whole answer."""
        reset_at_close(self.socket)

    def close(self) -> None:
        """Called once, by the reactor, which has forgotten the connection."""
        self._end_hold()
        self.socket.close()
        if self.spool is not None:
            self.spool.close()
        if self.overflow is not None:
            self.overflow.close()


def _nothing() -> None:
    """Where nothing is held back."""


def _sealed(data: object) -> int:
    raise OSError("the request was over its deadline")
