"""wsgi.input: the body of a request as a file. PEP 3333, "Input and Error Streams".

The end of the file is the real end of the body and nothing else: a client that stops half-way is an
OSError to the application, never a short body taken for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hybrid.errors import ProtocolError


class BrokenBody(OSError):
    """The rest of the body will not come: the client left, was silent too long, or broke the framing.

    `refusal` is what the client can be told, if the application lets this pass and has sent nothing yet.
    """

    def __init__(self, reason: str, refusal: ProtocolError | None = None) -> None:
        super().__init__(reason)
        self.refusal = refusal


class Input:
    """A body, some of which has come already. Used by one thread at a time."""

    __slots__ = ("_at", "_data", "_pull")

    def __init__(self, first: bytes = b"", pull: Callable[[], bytes] | None = None) -> None:
        """`pull` blocks until there is more and returns it, b"" at the end; None when `first` is all.

        It raises BrokenBody, and is not called again after it returned b"".
        """
        self._data = first
        self._at = 0
        self._pull = pull

    def read(self, size: int | None = -1, /) -> bytes:
        """Exactly `size` bytes unless the body ends before; everything for -1 or None."""
        if size is None or size < 0:
            return self._rest()
        at = self._at
        if self._pull is None or len(self._data) - at >= size:
            content = self._data[at : at + size]
            self._at = at + len(content)
            return content
        pieces: list[bytes | memoryview] = [memoryview(self._data)[at:]] if at < len(self._data) else []
        self._at = len(self._data)
        size -= self._at - at
        while size and self._more():
            piece = self._data if len(self._data) <= size else memoryview(self._data)[:size]
            self._at = len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)  # one copy of each: of views, and none where all of it is one piece

    def read1(self, size: int | None = -1, /) -> bytes:
        """What has come, at most `size` bytes; waits only when nothing has. b"" at the end."""
        if size == 0 or (self._at >= len(self._data) and not self._more()):
            return b""
        end = len(self._data) if size is None or size < 0 else self._at + size
        piece = self._data[self._at : end]
        self._at += len(piece)
        return piece

    def readline(self, size: int | None = -1, /) -> bytes:
        """One line with its end, or `size` bytes of it, or what is left when the body ends without one."""
        pieces = []
        left = -1 if size is None or size < 0 else size
        while left:
            if self._at >= len(self._data) and not self._more():
                break
            at = self._at
            most = len(self._data) if left < 0 else at + left
            eol = self._data.find(b"\n", at, most)
            piece = self._data[at : most if eol < 0 else eol + 1]
            self._at = at + len(piece)
            pieces.append(piece)
            if eol >= 0:
                break
            if left > 0:
                left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """The lines that are left; stops after `hint` bytes when that is positive."""
        lines = []
        size = 0
        while line := self.readline():
            lines.append(line)
            size += len(line)
            if hint is not None and 0 < hint <= size:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _more(self) -> bool:
        """Replace the used-up buffer by what comes next. False at the end of the body."""
        if self._pull is None:
            return False
        self._at = 0
        self._data = b""  # if pull() raises, what was read is not read again
        self._data = self._pull()
        if not self._data:
            self._pull = None
            return False
        return True

    def _rest(self) -> bytes:
        pieces = [self._data[self._at :] if self._at else self._data]
        self._at = len(self._data)
        while self._more():
            pieces.append(self._data)
            self._at = len(self._data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


NO_INPUT = Input()
"""The body of every request that has none. It holds nothing, so all of them may share it."""
