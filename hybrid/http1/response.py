"""The sending half of one exchange: what an application answers in, bytes for the wire out. Sans-IO.

The head is held until the first content, for two reasons: a plain response becomes one write, and an
application that fails after choosing a status can still be answered 500. RFC 9112 sections 6 and 9.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from hybrid.http.request import Request
from hybrid.http.status import phrase
from hybrid.settings import Settings

Header = tuple[bytes, bytes] | tuple[str, str]

LARGE: Final = 65536
"""From this size on, copying content to join it with its framing costs more than a second buffer."""


class ResponseError(Exception):
    """The application's answer cannot be sent as HTTP: a bad header, too much content, a second start.

    The application's fault, so it is told by this exception and the client by 500 or a broken connection.
    """


class _Special(IntEnum):
    PLAIN = 0
    CONTENT_LENGTH = 1
    TRANSFER_ENCODING = 2
    CONNECTION = 3
    DATE = 4
    SERVER = 5
    HOP = 6
    UNIQUE = 7
    """Plain, but its values differ from response to response: not worth remembering."""


_SPECIAL = {
    b"content-length": _Special.CONTENT_LENGTH,
    b"transfer-encoding": _Special.TRANSFER_ENCODING,
    b"connection": _Special.CONNECTION,
    b"date": _Special.DATE,
    b"server": _Special.SERVER,
    b"keep-alive": _Special.HOP,
    b"proxy-connection": _Special.HOP,
    b"te": _Special.HOP,
    b"set-cookie": _Special.UNIQUE,
    b"etag": _Special.UNIQUE,
    b"last-modified": _Special.UNIQUE,
    b"expires": _Special.UNIQUE,
    b"location": _Special.UNIQUE,
    b"content-disposition": _Special.UNIQUE,
    b"x-request-id": _Special.UNIQUE,
}
NOT_INTERIM: Final = frozenset({_Special.CONTENT_LENGTH, _Special.TRANSFER_ENCODING, _Special.CONNECTION, _Special.HOP})
"""What `header_line()` gives for fields that frame content or rule the connection."""
_is_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_value = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_is_status = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?").fullmatch

_NOT_IN_TRAILERS = frozenset(
    b"age authorization cache-control connection content-encoding content-length content-range content-type date"
    b" expires host keep-alive location max-forwards pragma proxy-authenticate retry-after set-cookie te trailer"
    b" transfer-encoding upgrade vary www-authenticate".split()
)

_LINES: dict[Header, bytes | int] = {}
"""Header lines already checked, by (name, value) as applications give them: most repeat for ever. For Content-Length
the number that it comes to."""
_COUNTED: dict[int, bytes] = {}
"""By the length, a Content-Length line and the empty line that ends a head."""
_NAMES: dict[bytes, int] = {}
CODES: dict[int | str, int] = {}
"""Status as applications give it -> its code, checked. Read it directly on the hot path; `status_code()` on a miss."""
_MOST = 1024
_LONGEST = 256
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WITHOUT_CONTENT = frozenset({204, 205, 304})


class Prefixes:
    """Status line, Date and Server, rendered once a second instead of once a response."""

    __slots__ = ("_common", "_date", "_extra", "_server", "_with_date", "rendered")

    def __init__(self, *, server: bytes | None = b"hybrid", date: bool = True, extra: bytes = b"") -> None:
        """`extra` are header lines for every response, each ended."""
        self._server = b"server: " + server + b"\r\n" if server else b""
        self._extra = extra
        self._with_date = date
        self._date = b""
        self.rendered: dict[int | str, bytes] = {}
        """By status, what `of()` gave since the last second began."""
        self._common = b""
        self.refresh(None)

    @classmethod
    def from_settings(cls, settings: Settings) -> Prefixes:
        """What --server-header, --date-header and --header ask for; a Server field of the last kind is the only one."""
        fields = [field.partition(": ") for field in settings.response_headers]
        is_named = any(name.lower() == "server" for name, _, _ in fields)
        return cls(
            server=b"hybrid" if settings.server_header and not is_named else None,
            date=settings.date_header,
            extra=b"".join(header_line(name, value)[0] for name, _, value in fields),
        )

    def adding(self, lines: bytes) -> Prefixes:
        """The same with further header lines, each ended, for one response."""
        other = Prefixes.__new__(Prefixes)
        other._server = self._server
        other._extra = self._extra + lines
        other._with_date = self._with_date
        other.rendered = {}
        other._date = self._date
        other._common = self._common + lines
        return other

    def refresh(self, epoch_s: float | None) -> None:
        """Render the Date anew. Call about once a second with the wall clock; None means now."""
        self._date = b"date: " + http_date(epoch_s).encode() + b"\r\n" if self._with_date else b""
        common = self._date + self._server + self._extra
        if common != self._common:
            self._common = common
            self.rendered = {}

    def of(self, status: int | str) -> bytes:
        """ "HTTP/1.1 200 OK" and the two fields, each line ended."""
        try:
            return self.rendered[status]
        except KeyError:
            prefix = status_line(status) + self._common
            if len(self.rendered) < 256:
                self.rendered[status] = prefix
            return prefix

    def yielding(self, prefix: bytes, field: int) -> bytes:
        """What `of()` gave, less the Date or Server field if the application gives that itself.

        `field` is the meaning of a header of the application's, see `header_line()`.
        """
        if field == _Special.DATE:
            return prefix.replace(b"\r\n" + self._date, b"\r\n", 1)
        if field == _Special.SERVER:
            return prefix.replace(b"\r\n" + self._server, b"\r\n", 1)
        return prefix


def http_date(epoch_s: float | None) -> str:
    """As RFC 9110 section 5.6.7 wants it, whatever the locale. email.utils can do it too, and takes 10 ms to import."""
    now = time.gmtime(epoch_s)
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year:04}"
        f" {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT"
    )


def status_line(status: int | str) -> bytes:
    """From 200 or "200 OK". Raises ResponseError for a malformed one. 101 is the server's own, of a WebSocket."""
    code = 101 if status == 101 else status_code(status)
    if isinstance(status, int):
        return b"HTTP/1.1 %d %s\r\n" % (code, phrase(code))
    return b"HTTP/1.1 " + status.encode("latin-1") + (b" " if len(status) == 3 else b"") + b"\r\n"


def status_code(status: int | str) -> int:
    """The code of 200 or "200 OK". Raises ResponseError."""
    if isinstance(status, str) and _is_status(status):
        code = int(status[:3])
    elif isinstance(status, int) and 100 <= status <= 999:
        code = int(status)
    else:
        raise ResponseError(
            f"malformed status {str(status)[:80]!r}; expected a number from 200 to 999 (ASGI)"
            ' or text such as "200 OK" (WSGI)'
        )
    if code < 200:
        raise ResponseError(f"status {code} is interim, and a response must end with a final one (200 or above)")
    if len(CODES) < _MOST:
        CODES[status] = code
    return code


def header_line(name: bytes | str, value: bytes | str) -> tuple[bytes, int]:
    """One checked line and what it means. Raises ResponseError for anything that could forge another line."""
    if isinstance(name, str):
        name = _latin(name)
    if isinstance(value, str):
        value = _latin(value)
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise ResponseError(
            f"header {name!r}: {value!r} must be two byte strings (ASGI) or two str (WSGI), "
            f"not {type(name).__name__} and {type(value).__name__}"
        )
    meaning = _NAMES.get(name)
    if meaning is None:
        if not _is_name(name):
            raise ResponseError(f"malformed header name {name[:80]!r}")
        lower = name.lower()
        meaning = int(_SPECIAL.get(lower, _Special.UNIQUE if b"_" in lower else _Special.PLAIN))
        if len(_NAMES) < _MOST:
            _NAMES[name] = meaning
    if not _is_value(value):
        raise ResponseError(f"control byte in the value of header {name!r}: {value[:80]!r}")
    return b"%b: %b\r\n" % (name, value), meaning


def _latin(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ResponseError(f"header text {text[:80]!r} is not latin-1") from None


class Response:
    """The answer to one request. `start()`, then `content()` until `more` is False, or `trailers()`.

    What each method returns is to be written to the connection at once and in order.
    """

    __slots__ = (
        "_chunked",
        "_prefixes",
        "_remaining",
        "_status",
        "bytes_sent",
        "has_body",
        "head_sent",
        "headers",
        "is_complete",
        "keep_alive",
        "request",
        "status",
    )

    def __init__(self, request: Request, prefixes: Prefixes) -> None:
        self.request = request
        self._prefixes = prefixes
        self._status: int | str = 0
        self.headers: Iterable[Header] = ()
        """As the application chose them last."""
        self._chunked = False
        self._remaining = -1
        self.status = 0
        """The status code once `start()` was called, else 0."""
        self.head_sent = False
        self.has_body = True
        self.is_complete = False
        self.keep_alive = request.keep_alive
        """Another request may follow on this connection. Set it to False before the head is sent to close after."""
        self.bytes_sent = 0
        """Content bytes, without framing: what an access log wants."""

    def start(self, status: int | str, headers: Iterable[Header]) -> None:
        """Choose status and headers; nothing is sent yet, and until the head is out they may be chosen again.

        `status` is 200, or "200 OK" as WSGI has it. The headers are checked when the head is rendered.
        """
        if self.head_sent:
            raise ResponseError("the response has already started")
        codes = CODES
        self.status = codes.get(status) or status_code(status)
        self._status = status
        self.headers = headers

    @property
    def is_self_delimiting(self) -> bool:
        """The client can tell a complete response from a broken one; else only a reset of the connection tells it."""
        return self._chunked or self._remaining >= 0 or not self.has_body

    def content(self, data: bytes, *, more: bool) -> bytes:
        """Content for the wire, behind the head if that is still held. b"" when there is nothing to write."""
        if not self.head_sent:
            if not more:
                return self.whole(data)
        elif self._chunked and data and more and not self.is_complete:
            self.bytes_sent += len(data)
            return b"%x\r\n%b\r\n" % (len(data), data)  # one copy
        before, data, after = self.frame(data, more=more)
        if not before and not after:
            return data
        return b"".join((before, data, after))

    def whole(self, data: bytes) -> bytes:
        """Head and content at once, which is most responses: nothing was sent before and nothing follows."""
        size = len(data)
        lines = self._lines(size, False)
        if self._remaining == size and self.has_body:
            self.is_complete = True
            self.bytes_sent = size
            lines.append(data)
            return b"".join(lines)
        before, data, after = self._frame(b"".join(lines), data, more=False)
        return before + data + after

    def frame(self, data: bytes, *, more: bool) -> tuple[bytes, bytes, bytes]:
        """As `content()`, uncopied: (bytes before, the content, bytes after), for who joins them later or not at all.

        Raises ResponseError when the head is invalid (nothing was sent, `start()` again) or when there is more
        content than Content-Length says (what is within it is not sent either; the connection must be closed).
        """
        if not self.head_sent:
            before = b"".join(self._lines(len(data), more))
        elif self.is_complete:
            raise ResponseError("the response has already ended")
        elif self._chunked and data and more:
            size = len(data)
            self.bytes_sent += size
            return b"%x\r\n" % size, data, b"\r\n"
        else:
            before = b""
        return self._frame(before, data, more=more)

    def _frame(self, before: bytes, data: bytes, *, more: bool) -> tuple[bytes, bytes, bytes]:
        """Content behind its head, or behind nothing when the head is out."""
        size = len(data)
        if not self.has_body:
            self.is_complete = not more
            return before, b"", b""
        if self._remaining >= 0:
            self._remaining -= size
            if self._remaining < 0 or (self._remaining and not more):
                wrong = "longer" if self._remaining < 0 else "shorter"
                off_by = abs(self._remaining)
                self.head_sent = not before  # held back: the client can still be told 500
                self.keep_alive = False
                self._remaining = -1 if before else 0  # the head is out: the client goes on counting
                raise ResponseError(f"the content is {off_by} bytes {wrong} than its Content-Length")
            self.is_complete = not more
            self.bytes_sent += size
            return before, data, b""
        self.bytes_sent += size
        self.is_complete = not more
        if not self._chunked:
            return before, data, b""
        if size:
            return b"%b%x\r\n" % (before, size), data, b"\r\n" if more else b"\r\n0\r\n\r\n"
        return before, b"", b"" if more else b"0\r\n\r\n"

    def file(self, size: int) -> tuple[bytes, int]:
        """For `size` bytes of content that the caller sends itself: (bytes before, how many of them to send).

        It is the whole content: the response is complete with it. Raises as `frame()`, and when the head
        was sent already.
        """
        if self.head_sent:
            raise ResponseError("the response has already started")
        before = b"".join(self._lines(size, False))
        self.is_complete = True
        if not self.has_body:
            return before, 0
        if self._remaining > size:
            self.head_sent = self.is_complete = self.keep_alive = False
            raise ResponseError(f"the file is {self._remaining - size} bytes shorter than its Content-Length")
        count, self._remaining = self._remaining, 0
        self.bytes_sent += count
        return before, count

    @property
    def is_full(self) -> bool:
        """The head is out and no more content can follow: Content-Length is reached, or there is no body."""
        return self.head_sent and (self.is_complete or self._remaining == 0 or not self.has_body)

    def trailers(self, headers: Iterable[Header]) -> bytes:
        """The end of a response whose content was all given with `more=True`, and fields that follow it.

        They go out where the framing has room for them (chunked) and the client wants them (`TE: trailers`);
        else they are dropped. Raises ResponseError for a field that is invalid or may not stand there, after
        which the response is as before, and for too little content.
        """
        lines = []
        for header in headers:
            line, _ = header_line(*header)
            if line[: line.index(b":")].lower() in _NOT_IN_TRAILERS:
                raise ResponseError(f"header {header[0]!r} cannot be a trailer (RFC 9110 section 6.5.1)")
            lines.append(line)
        if not self.head_sent or self.is_complete or not self.has_body or not self._chunked:
            return self.content(b"", more=False)
        if not self.request.wants_trailers:
            lines = []
        self.is_complete = True
        return b"".join((b"0\r\n", *lines, b"\r\n"))

    def _lines(self, size: int, more: bool) -> list[bytes]:
        """The head, to be joined. Decides the framing of the content: RFC 9112 section 6.3."""
        request = self.request
        status = self._status
        lines = [self._prefixes.rendered.get(status) or self._prefixes.of(status)]
        length = -1
        known = _LINES
        for header in self.headers:
            try:
                line = known.get(header)
            except TypeError:  # a list, which ASGI allows, has no hash
                line = None
            if type(line) is bytes:
                lines.append(line)
            elif type(line) is int and (length < 0 or length == line):
                length = line
            else:
                length = self._unknown(header, lines, length)
        if (self.status > 203 and self.status in _WITHOUT_CONTENT) or request.method == "HEAD":
            lines.append(self._no_content(size, length, more=more))
        else:
            if length < 0 and not more:
                length = size
            if length >= 0:
                self._remaining = length
                end = _COUNTED.get(length) or _counted(length)
                if self.keep_alive and request.version:
                    lines.append(end)
                    self.head_sent = True
                    return lines
                lines.append(end[:-2])
            elif request.version:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        elif not request.version:
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self.head_sent = True
        return lines

    def _unknown(self, header: Header, lines: list[bytes], length: int) -> int:
        """Check a header that is not remembered, and add to the lines what it comes to.

        Returns the content's length if a header has said it by now, else -1.
        """
        try:
            name, value = header
        except (TypeError, ValueError):
            raise ResponseError(f"header {header!r:.80} is not a pair of name and value") from None
        line, meaning = header_line(name, value)
        known: bytes | int = line
        match meaning:
            case _Special.CONTENT_LENGTH:
                known = length = _length_of(line, length)
            case _Special.TRANSFER_ENCODING | _Special.HOP:
                return length  # framing and persistence are the server's
            case _Special.CONNECTION:
                options = {option.strip() for option in line[11:].lower().split(b",")}
                if b"close" in options:
                    self.keep_alive = False
                if b"upgrade" in options:  # goes with the Upgrade field of a 426
                    lines.append(b"connection: upgrade\r\n")
                return length
            case _Special.DATE | _Special.SERVER:
                lines[0] = self._prefixes.yielding(lines[0], meaning)
        if meaning <= _Special.CONTENT_LENGTH and len(line) <= _LONGEST:
            if len(_LINES) >= _MOST:
                _LINES.clear()  # full of values that never come back: begin anew
            _LINES[(name, value)] = known  # type: ignore[index]  # both bytes or both str
        if known is line:
            lines.append(line)
        return length

    def _no_content(self, size: int, length: int, *, more: bool) -> bytes:
        """The framing of a response that ends with its head: at most the length that its content would have."""
        self.has_body = False
        if self.status == 205:  # must not have content, yet is framed like one that has: RFC 9110 section 15.3.6
            return b"content-length: 0\r\n"
        if length >= 0 and self.status != 204:
            return b"content-length: %d\r\n" % length
        if size and not more and self.status not in _WITHOUT_CONTENT:
            return b"content-length: %d\r\n" % size
        return b""


def _counted(length: int) -> bytes:
    line = b"content-length: %d\r\n\r\n" % length
    if len(_COUNTED) >= _MOST:
        _COUNTED.clear()
    _COUNTED[length] = line
    return line


def _length_of(line: bytes, before: int) -> int:
    value = line[line.index(b":") + 1 : -2].strip()
    if not value.isdigit() or len(value) > 18:
        raise ResponseError(f"malformed Content-Length {value[:40]!r} in the response")
    length = int(value)
    if before >= 0 and before != length:
        raise ResponseError(f"two different Content-Length headers in the response: {before} and {length}")
    return length
