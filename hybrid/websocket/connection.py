"""One open WebSocket, sans-IO: bytes in, messages out of `inbox`, answers in `out`. RFC 6455 sections 5 to 7.

`websockets` has a sans-IO core with the same rules, and gives its C masking to this one. Its frames cost
3.5 us for a message read and one written, against 0.9 us here: a generator, a dataclass and three reads per
frame, where one look at two bytes decides for nearly every message there is.

The parser stops when `inbox` is full, and keeps the rest as bytes: the owner stops reading, and calls
`resume()` once the application has taken what was there. So what a client can make us hold is bounded by
`max_queue` messages of less than LARGE bytes, one larger message, and one read.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from hybrid.websocket import frames
from hybrid.websocket.deflate import Deflate
from hybrid.websocket.failure import Failure
from hybrid.websocket.frames import BINARY_HEADERS, TEXT_HEADERS
from hybrid.websocket.masking import apply_mask

LARGE: Final = 65536
"""A message from this size on fills the inbox alone."""
_WORTH_DEFLATING: Final = 256
"""A shorter message fits in one packet either way; compressing it costs ten times what sending it does."""
_UNLIMITED: Final = 1 << 62
_NewDecoder = codecs.getincrementaldecoder("utf-8")


class State(IntEnum):
    OPEN = 0
    CLOSING = 1
    """We have sent Close and wait for the client's; messages are read and dropped."""
    CLOSED = 2
    """Close was sent and received: the connection can be shut."""
    FAILED = 3
    """The client broke a rule and was told so: whatever else it sends is ignored."""


class Connection:
    """The frames of one connection, in both directions.

    `max_size` is in bytes, of a message after inflation; 0 means no limit. The owner reads `inbox`, `out`, `state`,
    `is_full`, `close_code`, `close_reason`, `pong` and writes whatever is in `out` after each call.
    """

    __slots__ = (
        "_append",
        "_decoder",
        "_deflate",
        "_failure",
        "_fragments",
        "_held",
        "_is_deflated",
        "_max_size",
        "_most",
        "_room",
        "_wanted",
        "close_code",
        "close_reason",
        "inbox",
        "is_full",
        "out",
        "pong",
        "state",
    )

    def __init__(self, *, max_size: int, max_queue: int, deflate: Deflate | None = None) -> None:
        self.inbox: deque[str | bytes] = deque()
        """Messages to be taken by the application, from the left."""
        self.out: list[bytes] = []
        """Frames to be written: pongs and Close. The owner empties it."""
        self.state = State.OPEN
        self.is_full = False
        """The inbox is full: stop reading, and `resume()` when it is empty."""
        self.close_code = 0
        """Why it ended, as the application is told; 0 while open."""
        self.close_reason = ""
        self.pong = b""
        """The content of the last pong."""
        self._append: Callable[[str | bytes], None] = self.inbox.append
        self._most = max_queue
        self._max_size = max_size or _UNLIMITED
        self._room = self._max_size
        """How many more bytes the message under way may have."""
        self._held = bytearray()
        """Bytes of an incomplete frame, or whatever came while the inbox was full."""
        self._wanted = 0
        """How many bytes `_held` must have before looking at it again is of use."""
        self._fragments: bytearray | None = None
        """The message under way, when it is fragmented."""
        self._decoder: codecs.IncrementalDecoder | None = None
        """Checks the fragments of a text as they come."""
        self._is_deflated = False
        self._failure: Failure | None = None
        """What is to happen once the application has taken the messages before it."""
        self._deflate = deflate

    # -- receiving -----------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what arrived. A broken rule raises nothing: it ends in `state` FAILED and a Close frame in `out`."""
        if self.state and self.state > State.CLOSING:
            return
        held = self._held
        if held or self.is_full:
            if self._failure is not None:
                return
            held += data
            if not self.is_full and len(held) >= self._wanted:
                self._read_held(held)
        else:
            at = self._read(data)
            if at < len(data):
                held += memoryview(data)[at:]

    def resume(self) -> None:
        """The inbox is empty: go on with what was held back. It may be full again afterwards."""
        self.is_full = False
        if self._failure is not None:
            self.fail(self._failure.code, self._failure.reason)
            return
        held = self._held
        if held and len(held) >= self._wanted:
            self._read_held(held)

    def _read_held(self, held: bytearray) -> None:
        del held[: self._read(held)]  # a bytearray only moves its start

    @property
    def held(self) -> int:
        """Bytes that wait here: of an incomplete frame, before whose end no pong can come, or behind a full inbox."""
        return len(self._held)

    def _read(self, data: bytes | bytearray) -> int:
        """Read what is complete. Returns where it stopped; everything counts as read once the connection has ended."""
        try:
            return self._read_frames(data)
        except Failure as error:
            failure = error
        except UnicodeDecodeError:
            failure = Failure(1007, "text is not UTF-8")
        if self.inbox and self.state == State.OPEN:
            # A broken rule does not undo what came before it: those messages can still be answered.
            self._failure = failure
            self.is_full = True
        else:
            self.fail(failure.code, failure.reason)
        return len(data)

    def _read_frames(self, data: bytes | bytearray) -> int:
        """Read whole frames until there are no more or the inbox is full. Returns where it stopped."""
        at = 0
        end = len(data)
        room = self._most - len(self.inbox)
        self._wanted = 2
        while end - at >= 2:
            first = data[at]
            size = data[at + 1] - 128
            if size < 0:
                raise Failure(1002, "frame without a mask")
            is_plain = (first == 0x81 or first == 0x82) and self._fragments is None
            if not is_plain:
                self._check_kind(first, size)
            start = at + 6
            if size > 125:
                start = at + (8 if size == 126 else 14)
                if end < start - 4:
                    self._wanted = start - 4 - at
                    break
                size = _long_size(bytes(data[at + 2 : start - 4]))
            if size > self._room:
                raise Failure(1009, f"message longer than {self._max_size} bytes")
            stop = start + size
            if stop > end:
                self._wanted = stop - at
                break
            if size < LARGE:
                payload = apply_mask(data[start:stop], data[start - 4 : start])
            else:
                payload = apply_mask(memoryview(data)[start:stop], data[start - 4 : start])
            at = stop
            if not is_plain:
                size = self._read_other(first, payload)
                if size < 0:
                    if self.state > State.CLOSING:
                        return end
                    continue
            elif first == 0x81:
                self._append(payload.decode())
            else:
                self._append(payload)
            room -= 1
            if (room <= 0 or size >= LARGE) and self.state == State.OPEN:
                self.is_full = True
                self._wanted = 0
                break
        return at

    def _check_kind(self, first: int, size: int) -> None:
        """Whether this frame may come now. Raises Failure 1002. RFC 6455 sections 5.2, 5.4, 5.5."""
        opcode = first & 0x0F
        reserved = first & frames.RSV
        if opcode > frames.PONG or frames.BINARY < opcode < frames.CLOSE:
            raise Failure(1002, f"unknown opcode {opcode}")
        if opcode >= frames.CLOSE:
            if not first & frames.FIN:
                raise Failure(1002, "fragmented control frame")
            if size > 125:
                raise Failure(1002, "control frame longer than 125 bytes")
        elif opcode == frames.CONTINUATION:
            if self._fragments is None:
                raise Failure(1002, "continuation of no message")
        elif self._fragments is not None:
            raise Failure(1002, "new message inside a fragmented one")
        elif reserved == frames.DEFLATED and self._deflate is not None:
            return
        if reserved:
            raise Failure(1002, "reserved bits set")

    def _read_other(self, first: int, payload: bytes) -> int:
        """A control frame, a fragment or a compressed frame. The size of the message it completes, or -1."""
        opcode = first & 0x0F
        if opcode >= frames.CLOSE:
            self._read_control(opcode, payload)
            return -1
        is_last = bool(first & frames.FIN)
        if opcode:
            self._is_deflated = bool(first & frames.DEFLATED)
            self._decoder = _NewDecoder() if opcode == frames.TEXT else None
        if self._is_deflated and self._deflate is not None:
            payload = self._deflate.inflate(payload, self._room, is_last=is_last)
            if is_last:
                self._deflate.message_read()
        if self._decoder is not None:
            self._decoder.decode(payload, is_last)  # only a check, and an early one; what is kept is the bytes
        if not is_last:
            if self._fragments is None:
                self._fragments = bytearray()
            self._fragments += payload
            self._room -= len(payload)
            return -1
        if self._fragments is not None:
            self._fragments += payload
            payload = bytes(self._fragments)
            self._fragments = None
            self._room = self._max_size
        self._append(payload if self._decoder is None else payload.decode())
        return len(payload)

    def _read_control(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.PING:
            self.out.append(frames.pong(payload))
        elif opcode == frames.PONG:
            self.pong = payload
        else:
            code, reason = frames.read_close(payload)
            if self.state == State.OPEN:
                self.out.append(frames.close(code))
                self.close_code, self.close_reason = code, reason
            self._end(State.CLOSED)

    # -- sending -------------------------------------------------------------------------------

    def text(self, text: str) -> bytes:
        """A text message for the wire."""
        payload = text.encode()
        size = len(payload)
        if size < 126:
            return TEXT_HEADERS[size] + payload
        return self._long(frames.FIN | frames.TEXT, payload)

    def binary(self, payload: bytes) -> bytes:
        """A binary message for the wire."""
        size = len(payload)
        if size < 126:
            return BINARY_HEADERS[size] + payload
        return self._long(frames.FIN | frames.BINARY, payload)

    def _long(self, first: int, payload: bytes) -> bytes:
        if self._deflate is not None and len(payload) >= _WORTH_DEFLATING:
            payload = self._deflate.deflate(payload)
            first |= frames.DEFLATED
        return frames.header(first, len(payload)) + payload

    def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake from our side. No-op unless open. Raises ValueError for an impossible code."""
        if self.state == State.OPEN:
            self.out.append(frames.close(code, reason))
            self.close_code, self.close_reason = code, reason
            self._stop_delivering()
            self.state = State.CLOSING
            self.resume()

    def fail(self, code: int, reason: str) -> None:
        """Tell the client what it did, and read no more. No-op when it has ended already. RFC 6455 section 7.1.7."""
        if self.state == State.OPEN:
            self.out.append(frames.close(code, reason))
            self.close_code, self.close_reason = code, reason
        if self.state <= State.CLOSING:
            self._end(State.FAILED)

    def lose(self) -> None:
        """The connection broke."""
        if self.state == State.OPEN:
            self.close_code = frames.LOST
        if self.state <= State.CLOSING:
            self._end(State.CLOSED)

    def _end(self, state: State) -> None:
        self.state = state
        self._stop_delivering()
        self._held = bytearray()
        self._fragments = None
        self._deflate = None

    def _stop_delivering(self) -> None:
        """What was received before is still the application's; what comes from now on is dropped."""
        self._append = _nowhere
        self._most = _UNLIMITED


def _nowhere(message: str | bytes, /) -> None:
    """Where messages go that nobody will read."""


def _long_size(digits: bytes) -> int:
    """An extended payload length. Raises Failure 1002 unless in its shortest form, below 2**63."""
    size = int.from_bytes(digits)
    if size < (126 if len(digits) == 2 else 65536):
        raise Failure(1002, "payload length not in its shortest form")
    if size >= 1 << 63:
        raise Failure(1002, "payload length out of range")
    return size
