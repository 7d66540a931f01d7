"""The transport on which a connection of the asgi worker begins: see `hybrid_workers.asgi_threshold`.

What it does is what asyncio says of transports. It writes at once what the client takes, and keeps the rest; it reads
when it is told that there may be something; and it can give its socket, with what is unsent, to a transport of the
event loop.
"""

from __future__ import annotations

import _socket
import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from hybrid_workers.poller import READ, WRITE
from hybrid_workers.stream_socket import StreamSocket

READ_SIZE: Final = 65536


class Keeper(Protocol):
    """The threshold."""

    unwatched: list[FirstTransport]
    """For those that may have ended soon: `stay_on()` is called for them when the calls that they began have run."""

    @property
    def report(self) -> Callable[[dict[str, Any]], object]:
        """Tells of what went wrong and nobody else hears of."""

    def watch(self, transport: FirstTransport, fd: int, before: int, wanted: int) -> None:
        """Call `on_event()` with these events, no more with those before; 0: none."""

    def end(self, transport: FirstTransport, error: Exception | None) -> None:
        """Call `end()` soon, as the guest may be in the middle of something."""

    def move(self, transport: FirstTransport, sock: socket.socket) -> None:
        """Make a transport of the loop's, and call `moved()` with it, or `stay()`."""


class Guest(Protocol):
    """Who sits on the transport: an HttpConnection. The methods of asyncio.Protocol are meant as there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> bool: ...

    def connection_lost(self, error: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    @property
    def may_move(self) -> bool:
        """All that was received has been looked at, and more may come."""

    def moved(self, transport: asyncio.Transport) -> None:
        """It has the loop's transport from now on, which reads."""


class FirstTransport(asyncio.Transport):
    """Owns the socket."""

    __slots__ = (
        "_fd",
        "_guest",
        "_has_eof",
        "_high",
        "_is_closing",
        "_is_held",
        "_is_lost",
        "_is_moving",
        "_is_reading",
        "_out",
        "_reads",
        "_recv",
        "_send",
        "_sock",
        "_then",
        "_threshold",
        "_watched",
    )

    def __init__(self, threshold: Keeper, sock: _socket.socket, guest: Guest) -> None:
        self._threshold = threshold
        self._sock = sock
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._guest = guest
        self._watched = 0
        self._reads = 0
        self._out = bytearray()
        """What the client has not taken."""
        self._high = READ_SIZE
        self._is_held = False
        """The guest was told to write no more for now."""
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        self._has_eof = False
        """Our FIN is sent, or to be sent behind what is to be written."""
        self._is_moving = False
        self._then: Callable[[], None] | None = None

    # -- for the threshold ----------------------------------------------------------------------------

    def on_event(self, events: int) -> None:
        if self._out and events & ~READ:
            self._flush()
        if self._watched & READ and events & ~WRITE:
            self.read()

    def read(self) -> None:
        """Something has come, or may have."""
        try:
            data = self._recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            self.look()
            return
        except OSError as error:
            self.lose(error)
            return
        if not data:
            self._is_reading = False
            self.look()
            if not self._guest.eof_received():
                self.close()
            return
        self._reads += 1
        self._guest.data_received(data)
        if self._is_closing or self._is_moving:
            return
        if self._reads > 1 and not self._out and not self._has_eof and self._guest.may_move:
            self.move()
        elif self._watched:
            self.look()
        else:
            self._threshold.unwatched.append(self)

    def stay_on(self) -> None:
        """It was read from and not watched yet; if it has not ended meanwhile, there is something to watch."""
        if not self._is_closing and not self._is_moving:
            self.look()

    def look(self) -> None:
        """Have the threshold watch what there is to watch."""
        wanted = (READ if self._is_reading and not self._is_closing else 0) | (WRITE if self._out else 0)
        if wanted != self._watched:
            before, self._watched = self._watched, wanted
            self._threshold.watch(self, self._fd, before, wanted)

    def lose(self, error: Exception | None) -> None:
        """The connection has ended, or must."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._out.clear()
        if self._watched:
            self.look()
        if error is None:
            # Now, right behind the answer. A client that has read that first would be the first to close, too, and
            # could not use its port again for a minute (TIME-WAIT: RFC 9293 section 3.6.1).
            self._sock.close()
        self._threshold.end(self, error)

    def end(self, error: Exception | None) -> None:
        """Tell the guest, and close."""
        try:
            self._guest.connection_lost(error)
        finally:
            self._sock.close()
            del self._guest  # which has us

    def fail(self, error: Exception) -> None:
        """The guest has raised it."""
        self._threshold.report({"message": "exception in a protocol", "exception": error, "transport": self})
        self.lose(error)

    # -- moving ---------------------------------------------------------------------------------------

    def move(self, then: Callable[[], None] | None = None) -> None:
        """Let the loop's transport go on, and call `then` once it does."""
        self._then = then
        self._is_moving = True
        if self._watched:
            self._threshold.watch(self, self._fd, self._watched, 0)
            self._watched = 0
        sock = self._sock
        self._sock = StreamSocket(sock.family, sock.type, sock.proto, sock.detach())
        self._threshold.move(self, self._sock)

    def moved(self, transport: asyncio.Transport) -> None:
        """There it is. It owns the socket now."""
        guest = self._guest
        transport.set_protocol(guest)  # type: ignore[arg-type]  # it has the methods, which is all that counts
        guest.moved(transport)
        if self._is_held:
            guest.resume_writing()  # the loop's transport says anew what is too much for it
        if self._out:
            transport.write(bytes(self._out))
        if self._has_eof:
            transport.write_eof()
        if self._is_lost:
            transport.abort()
        elif self._is_closing:
            transport.close()
        elif self._then is not None:
            self._then()
        del self._guest, self._then

    def stay(self, error: OSError) -> None:
        """The loop cannot: the client has gone."""
        self._is_moving = self._is_lost = False
        self.lose(error)

    # -- asyncio.Transport ----------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._sock if name == "socket" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None, "nobody calls it without"
        self._high = high

    def get_write_buffer_size(self) -> int:
        return len(self._out)

    def write(self, data: Any) -> None:
        if self._is_closing or not data:
            return
        if self._out or self._is_moving:
            self._out += data
        else:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self.lose(error)
                return
            if sent == len(data):
                return
            self._out += memoryview(data)[sent:]
            self.look()
        if len(self._out) > self._high and not self._is_held:
            self._is_held = True
            self._guest.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._has_eof and not self._is_closing:
            self._has_eof = True
            if not self._out and not self._is_moving:
                self._shut()

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._is_moving:
            return
        if self._out:
            self.look()
        else:
            self.lose(None)

    def abort(self) -> None:
        if self._is_moving:
            self._is_closing = self._is_lost = True
        else:
            self.lose(None)

    def pause_reading(self) -> None:
        self._is_reading = False
        if not self._is_moving:
            self.look()

    def resume_reading(self) -> None:
        self._is_reading = True
        if not self._is_moving:
            self.look()

    def _flush(self) -> None:
        try:
            sent = self._send(self._out)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lose(error)
            return
        del self._out[:sent]
        if self._is_held and len(self._out) <= self._high // 4:
            self._is_held = False
            self._guest.resume_writing()
        if self._out or self._is_lost:
            return
        if self._is_closing:
            self.lose(None)
            return
        if self._has_eof:
            self._shut()
        self.look()

    def _shut(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.lose(error)
