"""From the bytes of one complete head to a Request: the strict reading of RFC 9112 sections 2-6.

A head is handed over whole, from the request line to the empty line. The request line is read here;
the field lines go to a back end (httptools, or h11), which only splits and checks them - everything
that a field *means* is decided here, so that no verdict depends on the back end.

llhttp never sees the real request line: it would refuse methods it has no number for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from hybrid.errors import ProtocolError
from hybrid.http.authority import is_authority
from hybrid.http.limits import Limits
from hybrid.http.names import KNOWN, Field, learn
from hybrid.http.request import CHUNKED, Request

_TCHAR = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
_is_token = re.compile(rb"[" + _TCHAR + rb"]+").fullmatch
_is_version = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_bad_in_target = re.compile(rb"[\x00-\x20\x7f#]").search
_is_absolute = re.compile(rb"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")}
_NO_HOST: bytes | None = None
_HOSTS: set[bytes] = set()
"""Host values already found valid. Bounded: they come from the network."""

_LINES: dict[bytes, tuple[str, bytes, bytes, bytes, int]] = {}
"""Request lines already found valid, short and without a query: (method, target, path, query, version)."""
_NO_LINE = b"GET / HTTP/1.1\r\n"
"""Stands in for a request line before back ends."""
_MOST_LINES = 256
_LONGEST_LINE = 100

_WHITE = b" \t"
_SPACE = 32
_PERSISTENT = frozenset({b"keep-alive", b"Keep-Alive"})

TLS_ON_PLAIN: Final = "TLS sent to a plain HTTP port"
"""The reason of the ProtocolError for a TLS ClientHello: the operator must be told, the client cannot."""


Lines: TypeAlias = "Callable[[bytes], object]"
"""Takes a head, which begins with a request line that does not matter."""


class FieldParser(Protocol):
    """A back end: splits and checks the field lines of heads."""

    def begin(self, builder: HeadParser) -> Lines:
        """What takes heads one after the other and calls `builder.on_header(name, value)` for each line, in order.

        White space behind values may be left on, in front of them not. After an exception, or a head that announces
        a body or the end of the connection, it must not be used again.
        """

    def judge(self, error: Exception) -> None:
        """An exception that came from there: raises ProtocolError(400) if the head is at fault, else returns."""


class HeadParser:
    """Reads heads for one worker thread. Holds no state between two heads, so connections share it."""

    __slots__ = (
        "_connection",
        "_expect",
        "_feed",
        "_fields",
        "_forwarded",
        "_has_two_hosts",
        "_headers",
        "_host",
        "_is_persistent",
        "_is_special",
        "_last_host",
        "_length",
        "_limits",
        "_longest_field",
        "_longest_head",
        "_longest_line",
        "_most_fields",
        "_request_id",
        "_transfer",
        "_underscored",
        "_upgrade",
        "_wants_trailers",
    )

    def __init__(self, fields: FieldParser, limits: Limits) -> None:
        self._fields = fields
        self._limits = limits
        self._longest_line = limits.request_line
        self._longest_head = limits.head
        self._longest_field = limits.field_size
        self._most_fields = limits.fields
        self._feed: Lines | None = None
        self._last_host = b""
        """A valid one."""
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._host: bytes | None = None
        self._has_two_hosts = False
        self._is_persistent = False
        self._is_special = False
        self._forwarded = False
        self._length: bytes | None = None
        self._transfer: bytes | None = None
        self._connection: bytes | None = None
        self._expect: bytes | None = None
        self._upgrade: bytes | None = None
        self._request_id = b""
        self._underscored: list[tuple[bytes, bytes]] | None = None
        self._wants_trailers = False

    def parse(self, head: bytes) -> Request:
        """The request of one complete head.

        Raises ProtocolError: 400 malformed or ambiguous, 413 body over the limit, 414 and 431 line, field or
        head over the limit, 417 unknown expectation, 501 CONNECT or a transfer coding, 505 not HTTP/1.x.
        """
        try:
            line, _, rest = head.partition(b"\r\n")
            eol = len(line)
            if not 0 < eol <= self._longest_line:
                if eol:
                    raise too_long_line(self._limits)
                return self.parse(rest)  # one empty line in front is let through: Receiver admits no more
            if len(head) > self._longest_head:
                raise too_long_head(self._limits)
            request = Request.__new__(Request)  # which has nothing to initialize
            request.head = head
            lines = _LINES
            known = lines.get(line)
            if known is None:
                self._request_line(line, request)
            else:
                request.method, request.target, request.path, request.query, request.version = known
                request.host = None
            request.content_length = 0
            request.expects_continue = False
            request.upgrade = b""
            request.underscored = None
            request.request_id = b""
            request.forwarded = request.wants_trailers = False
            request.keep_alive = self._is_persistent = request.version == 1
            headers: list[tuple[bytes, bytes]] = []
            request.headers = self._headers = headers
            self._host = _NO_HOST
            try:
                # Fills headers, and through on_header() everything that a field may mean.
                (self._feed or self._begin())(_NO_LINE + rest)
            except Exception as error:
                self._feed = None
                self._fields.judge(error)

            if len(headers) > self._most_fields:
                raise too_many_fields(self._limits)
            host = self._host
            if host is None:
                if request.version:
                    raise ProtocolError(400, "no Host header field", "RFC 9112 section 3.2")
            elif host != self._last_host:
                if host not in _HOSTS:
                    _check_host(host)
                self._last_host = host
            if request.host is None:
                request.host = host
            else:
                _replace_host(headers, request.host)
            if self._is_special:
                self._semantics(request)
            if len(head) - eol > self._longest_field:
                _check_sizes(request, self._limits)
            return request
        except ProtocolError as error:
            self._reset()
            self._feed = None
            if error.status == 400:
                _check_limits(head, self._limits)
            raise

    def _begin(self) -> Lines:
        feed = self._feed = self._fields.begin(self)
        return feed

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line, from the back end."""
        try:
            lower, meaning = KNOWN[name]
        except KeyError:
            lower, meaning = learn(name)
        if value and value[-1] <= _SPACE:  # white space: nothing else up to there is let through
            value = value.strip(_WHITE)
        if meaning:
            if meaning == 1:  # Field.HOST
                if self._host is not None:
                    self._has_two_hosts = self._is_special = True
                self._host = value
            elif meaning == 4 and self._is_persistent and value in _PERSISTENT:  # Field.CONNECTION
                pass  # says nothing new in HTTP/1.1, and every browser says it
            elif self._special(meaning, lower, value):
                return
        self._headers.append((lower, value))

    def _special(self, meaning: int, lower: bytes, value: bytes) -> bool:
        """Note a field that means something. True if it must not appear among the headers."""
        self._is_special = True
        match meaning:
            case Field.CONTENT_LENGTH:
                # A second one, equal or not, is refused below: "3,3" is no number.
                self._length = value if self._length is None else self._length + b"," + value
            case Field.TRANSFER_ENCODING:
                self._transfer = value if self._transfer is None else self._transfer + b"," + value
            case Field.CONNECTION:
                self._connection = value if self._connection is None else self._connection + b"," + value
            case Field.EXPECT:
                self._expect = value if self._expect is None else self._expect + b"," + value
            case Field.UPGRADE:
                self._upgrade = value if self._upgrade is None else self._upgrade + b"," + value
            case Field.REQUEST_ID:
                self._request_id = value
            case Field.FORWARDED:
                self._forwarded = True
            case Field.UNDERSCORE:
                if self._underscored is None:
                    self._underscored = []
                self._underscored.append((lower, value))
                return True
            case Field.TE:
                if b"trailers" in {coding.strip(_WHITE) for coding in value.lower().split(b",")}:
                    self._wants_trailers = True
            case Field.PROXY_CONNECTION:
                self._feed = None
        return False

    def _request_line(self, line: bytes, request: Request) -> None:
        """RFC 9112 section 3: method SP request-target SP HTTP-version, single spaces."""
        try:
            method, target, version = line.split(b" ")
        except ValueError:
            raise no_request_line(line) from None
        if version == b"HTTP/1.1":
            request.version = 1
        elif version == b"HTTP/1.0":
            request.version = 0
        elif _is_version(version):
            raise ProtocolError(505, "only HTTP/1.0 and HTTP/1.1 are served", "RFC 9110 section 15.6.6")
        else:
            raise ProtocolError(400, "malformed HTTP version", "RFC 9112 section 2.3")
        try:
            request.method = _METHODS[method]
        except KeyError:
            if not _is_token(method):
                raise ProtocolError(400, "malformed method", "RFC 9110 section 9.1") from None
            request.method = method.decode("ascii")
        request.target = target
        request.host = None
        if _bad_in_target(target):
            raise ProtocolError(400, "control byte or fragment in the request target", "RFC 9112 section 3.2")
        if target[:1] == b"/" and method != b"CONNECT":
            request.path, mark, request.query = target.partition(b"?")
            if not mark and len(line) <= _LONGEST_LINE:
                if len(_LINES) >= _MOST_LINES:
                    _LINES.clear()
                _LINES[line] = (request.method, target, target, b"", request.version)
            return
        self._other_form(method, target, request)

    def _other_form(self, method: bytes, target: bytes, request: Request) -> None:
        """RFC 9112 sections 3.2.2-3.2.4: absolute-form, authority-form, asterisk-form."""
        if method == b"CONNECT":
            raise ProtocolError(501, "CONNECT is for proxies", "RFC 9110 section 9.3.6")
        if target == b"*":
            if method != b"OPTIONS":
                raise ProtocolError(400, "the target * is for OPTIONS only", "RFC 9112 section 3.2.4")
            request.path, request.query = b"*", b""
            return
        absolute = _is_absolute(target)
        if absolute is None:
            raise ProtocolError(400, "malformed request target", "RFC 9112 section 3.2")
        authority, rest = absolute[2], absolute[3]
        if not authority or b"@" in authority:
            raise ProtocolError(400, "malformed authority in the request target", "RFC 9112 section 3.2.2")
        _check_host(authority)
        path, _, query = rest.partition(b"?")
        if not rest and method == b"OPTIONS":
            path = b"*"  # what the last proxy would have sent us: RFC 9112 section 3.2.4
        request.path, request.query, request.host = path or b"/", query, authority

    def _semantics(self, request: Request) -> None:
        """Body framing, persistence and expectations: RFC 9112 sections 6.3 and 9.3, RFC 9110 section 10.1.1."""
        self._is_special = False
        if self._has_two_hosts:
            raise ProtocolError(400, "more than one Host header field", "RFC 9112 section 3.2")
        if self._forwarded:
            request.forwarded = True
            self._forwarded = False
        if self._request_id:
            request.request_id = self._request_id
            self._request_id = b""
        if self._wants_trailers:
            request.wants_trailers = True
            self._wants_trailers = False
        if self._underscored is not None:
            request.underscored = self._underscored
            self._underscored = None
            if len(request.headers) + len(request.underscored) > self._limits.fields:
                raise too_many_fields(self._limits)
        length, transfer, connection, expect = self._length, self._transfer, self._connection, self._expect
        upgrade = self._upgrade
        if length is None and transfer is None and connection is None and upgrade is None and expect is None:
            return
        self._feed = None
        if transfer is None and connection is None and upgrade is None and expect is None:
            self._length = None  # alone it is most of what comes here
        else:
            self._reset()
        if transfer is not None:
            request.content_length = _transfer_framing(transfer, length, request.version)
        elif length is not None:
            request.content_length = _content_length(length)
            if request.content_length > self._limits.body:
                raise ProtocolError(
                    413, f"the body is longer than {self._limits.body} bytes", "RFC 9110 section 15.5.14"
                )
        if connection is not None:
            options = {option.strip(_WHITE) for option in connection.lower().split(b",")}
            if b"close" in options:
                request.keep_alive = False
            elif request.version == 0 and b"keep-alive" in options:
                request.keep_alive = True
            if b"upgrade" in options and upgrade is not None and request.version == 1:
                request.upgrade = upgrade.lower()
        if expect is not None and request.version == 1:
            known = {option.strip(_WHITE) for option in expect.lower().split(b",")} - {b""}
            if known - {b"100-continue"}:
                raise ProtocolError(417, "the only expectation known is 100-continue", "RFC 9110 section 10.1.1")
            request.expects_continue = bool(known) and request.content_length != 0


def _check_host(host: bytes) -> None:
    if host and not is_authority(host):  # an empty one is right for a target that has no authority
        raise ProtocolError(400, "malformed Host", "RFC 9112 section 3.2")
    if len(_HOSTS) < 256 and len(host) <= 255:
        _HOSTS.add(host)


def _replace_host(headers: list[tuple[bytes, bytes]], authority: bytes) -> None:
    """The authority of an absolute-form target stands in for Host: RFC 9112 section 3.2.2."""
    for index, (name, _) in enumerate(headers):
        if name == b"host":
            headers[index] = (name, authority)
            return
    headers.insert(0, (b"host", authority))


def _check_limits(head: bytes, limits: Limits) -> None:
    """For a head that is refused: a broken limit outranks what else is wrong.

    Back ends see more than grammar wrong, each in its own order; so the first error found is not a verdict.
    """
    lines = head[:-4].lstrip(b"\r\n").split(b"\r\n")[1:]
    if len(lines) > limits.fields:
        raise too_many_fields(limits)
    for line in lines:
        name, _, value = line.partition(b":")
        if len(name) + len(value.strip(_WHITE)) > limits.field_size:
            raise too_long_field(limits)


def _check_sizes(request: Request, limits: Limits) -> None:
    for name, value in (*request.headers, *(request.underscored or ())):
        if len(name) + len(value) > limits.field_size:
            raise too_long_field(limits)


def _content_length(value: bytes) -> int:
    """Digits only, below 2**63, and given once. RFC 9110 section 8.6."""
    if not value.isdigit() or len(value) > 19 or (length := int(value)) >= 1 << 63:
        raise ProtocolError(400, "malformed or repeated Content-Length", "RFC 9110 section 8.6")
    return length


def _transfer_framing(transfer: bytes, length: bytes | None, version: int) -> int:
    """RFC 9112 section 6.1: chunked, alone, in HTTP/1.1, without Content-Length."""
    if length is not None:
        raise ProtocolError(400, "both Content-Length and Transfer-Encoding", "RFC 9112 section 6.1")
    if version == 0:
        raise ProtocolError(400, "Transfer-Encoding in an HTTP/1.0 request", "RFC 9112 section 6.1")
    codings = [coding.strip(_WHITE) for coding in transfer.lower().split(b",")]
    if codings == [b"chunked"]:
        return CHUNKED
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1 or not all(_is_token(c) for c in codings):
        raise ProtocolError(400, "the final transfer coding is not chunked", "RFC 9112 section 6.3")
    raise ProtocolError(501, "the only transfer coding known is chunked", "RFC 9112 section 6.1")


def no_request_line(data: bytes) -> ProtocolError:
    """The error for bytes that are no request line; names the likely mistake."""
    if data[:2] == b"\x16\x03":
        return ProtocolError(400, TLS_ON_PLAIN)
    return ProtocolError(400, "malformed request line", "RFC 9112 section 3")


def too_long_line(limits: Limits) -> ProtocolError:
    return ProtocolError(
        414, f"the request line is longer than {limits.request_line} bytes", "RFC 9110 section 15.5.15"
    )


def too_long_head(limits: Limits) -> ProtocolError:
    return ProtocolError(431, f"the request head is longer than {limits.head} bytes", "RFC 6585 section 5")


def too_many_fields(limits: Limits) -> ProtocolError:
    return ProtocolError(431, f"more than {limits.fields} header fields", "RFC 6585 section 5")


def too_long_field(limits: Limits) -> ProtocolError:
    return ProtocolError(431, f"a header field is longer than {limits.field_size} bytes", "RFC 6585 section 5")
