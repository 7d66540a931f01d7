"""One request answered by a WSGI application. PEP 3333, "The start_response() Callable" and what follows it.

The worker pulls: `open()` calls the application and gives the first bytes to write, `advance()` the
next, until `response.is_complete`; then `close()`. So the worker decides when the application goes on,
and can stop asking while a slow client reads. Only what PEP 3333 makes the application push (write())
goes through a callable of the worker, which must block.

Everything that the application raises comes out as it is: see `fail()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, TypeAlias, cast

from hybrid.errors import DeadlineExceeded
from hybrid.http.request import Request
from hybrid.http1.apology import FAILED, LATE, apology
from hybrid.http1.interim import early_hints
from hybrid.http1.response import CODES, LARGE, Prefixes, Response, ResponseError, status_code
from hybrid.wsgi import entering
from hybrid.wsgi.environ import Environ
from hybrid.wsgi.file_wrapper import FilePart, FileWrapper, blocks, file_part
from hybrid.wsgi.input import BrokenBody

Piece: TypeAlias = bytes | tuple[bytes, bytes, bytes]
"""Bytes to write: whole, or large content uncopied between its framing."""
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], None]]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


class BodySource(Protocol):
    """Where the rest of a body comes from that had not come whole when the application was called."""

    @property
    def is_read(self) -> bool:
        """Nothing of the body is left to come."""


class Exchange(Response):
    """One per request. Not thread-safe: one thread at a time, and the application's calls in that thread.

    It is the response itself, and not something that has one, because making an object costs as much as all that
    is done with it.
    """

    # Slots for what every request reads or writes. What few need is a default of the class, and costs others nothing.
    __slots__ = ("__dict__", "_send", "_sends_files", "closer", "is_plain", "source")

    rest: FilePart | None = None
    """After `open()`: the content to send by sendfile behind the bytes that it returned."""
    _next: Callable[[], bytes] | None = None
    _is_single = False

    def __init__(
        self, request: Request, prefixes: Prefixes, send: Callable[[Piece], None], sends_files: bool = False
    ) -> None:
        """`send` writes and blocks until the client has taken most of it. `sends_files`: the worker knows `file`."""
        Response.__init__(self, request, prefixes)
        self._send = send
        self._sends_files = sends_files
        self.is_plain = False
        """After `open()`: what it returned is all, nothing is left to close or to send."""
        self.source: BodySource | None = None
        """Set for a body that is still coming: then the connection is not kept if the application leaves it unread."""
        self.closer: Callable[[], object] | None = None
        """What `close()` will call of the application."""

    @property
    def response(self) -> Response:
        """What of it is no matter of WSGI."""
        return self

    def open(self, app: App, environ: Environ) -> Piece:
        """Call the application; what to write first. Runs its code until there is something."""
        result = entering.call(app, environ, self.start_response)
        kind = type(result)
        if kind is list and len(result) == 1 and type(data := result[0]) is bytes:  # type: ignore[arg-type, index]
            # What most frameworks return for most requests, so it is spared what follows.
            if self.status and not self.head_sent and self.source is None and len(data) < LARGE:
                self.is_plain = True
                return self.whole(data)
            piece = self._piece(data, more=False)
            self.is_plain = self.is_complete
            return piece
        self.is_plain = False
        close = getattr(result, "close", None)
        if close is not None:
            self.closer = close
        if kind is FileWrapper:
            part = file_part(result) if self._sends_files and not self.head_sent else None  # type: ignore[arg-type]
            if part is not None:
                return self._open_file(part)
            result = blocks(result, self.headers, self.bytes_sent)  # type: ignore[arg-type]  # just tested
        try:
            self._next = iter(result).__next__
        except TypeError:
            raise ResponseError(
                f"the application returned {kind.__name__}; expected an iterable of byte strings"
            ) from None
        if hasattr(kind, "__len__"):
            self._is_single = len(result) == 1  # type: ignore[arg-type]  # it has a length: just tested
        return self.advance()

    def advance(self) -> Piece:
        """What to write next. When `response.is_complete` afterwards, it was the last."""
        following = self._next
        assert following is not None, "open() comes before advance()"
        while not self.is_full:
            try:
                data = entering.advance(following)
            except StopIteration:
                break
            if not isinstance(data, bytes):
                raise ResponseError(f"the application yielded {type(data).__name__}; expected bytes")
            if data:
                if type(data) is not bytes:
                    data = bytes(data)  # of a class of the application's, which nobody below would know as bytes
                piece = self._piece(data, more=not self._is_single)
                self.is_complete = self.is_full  # then the application is asked for no more
                return piece
        return self._piece(b"", more=False)

    def close(self) -> None:
        """Tell the application that its iterable is no longer needed. In every path, once."""
        close, self.closer = self.closer, None
        self._next = None
        if close is not None:
            entering.close(close)

    def fail(self, error: BaseException) -> bytes | None:
        """What to write when the application has raised `error`; None if it is too late for another answer.

        Then the connection must be cut, so that the client does not take what it has for the whole.
        """
        if self.head_sent:
            return None
        if isinstance(error, BrokenBody) and error.refusal is not None:
            return apology(self, error.refusal)
        return apology(self, LATE if isinstance(error, DeadlineExceeded) else FAILED)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """As PEP 3333 has it. The headers' content is checked when the head is rendered."""
        if exc_info is not None:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # else the traceback and this frame hold each other
        elif self.status:
            raise ResponseError("start_response() was called a second time, without exc_info")
        if not isinstance(status, str):
            raise ResponseError(f"start_response(): the status is {type(status).__name__}; expected str")
        if not isinstance(headers, list):
            raise ResponseError(f"start_response(): the headers are {type(headers).__name__}; expected list")
        for name, value in headers:
            if not isinstance(name, str) or not isinstance(value, str):
                raise ResponseError(f"start_response(): header {name!r}: {value!r}; expected two str")
        # As start() does, which this would call for each request. The head is not out: see above.
        codes = CODES
        self.status = codes.get(status) or status_code(status)
        self._status = status
        self.headers = headers
        return self.write

    def write(self, data: bytes) -> None:
        """The imperative way, which start_response() returns. Blocks; raises OSError when the client is gone."""
        if not isinstance(data, bytes):
            raise ResponseError(f"write() was given {type(data).__name__}; expected bytes")
        if data:
            self._send(self._piece(bytes(data), more=True))  # which copies only what is of a class of its own

    def early_hints(self, headers: Iterable[tuple[str, str]]) -> None:
        """wsgi.early_hints: send a 103 at once. Nothing for a client of HTTP/1.0, or when it is too late."""
        if not self.head_sent and (hints := early_hints(self.request, headers)):
            self._send(hints)

    def header_bytes(self) -> list[tuple[bytes, bytes]]:
        """The headers with lower-case names, as the access log reads them."""
        return [
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in cast("Iterable[tuple[str, str]]", self.headers)  # start_response() takes no others
        ]

    def _open_file(self, part: FilePart) -> bytes:
        self._before_head()
        head, count = self.file(part.size)
        if count:
            self.rest = part._replace(size=count)
        return head

    def _piece(self, data: bytes, *, more: bool) -> Piece:
        if not self.head_sent:
            self._before_head()
        if len(data) < LARGE:
            return self.content(data, more=more)
        return self.frame(data, more=more)

    def _before_head(self) -> None:
        if not self.status:
            raise ResponseError("the application gave content before it called start_response()")
        if self.source is not None and not self.source.is_read:
            self.keep_alive = False
