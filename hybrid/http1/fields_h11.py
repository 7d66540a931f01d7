"""The field lines of a head, judged by h11 (pure Python): for where httptools has no wheel.

h11 is lenient where llhttp is strict (bare LF, folded lines), so the grammar is checked first. And it
tidies up: it would hand over one Content-Length for two. So it may only refuse; the lines that go on are
those on the wire, and a transfer coding that it does not know goes on to where our rule stands.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import h11

from hybrid.errors import ProtocolError

if TYPE_CHECKING:
    from hybrid.http1.head import HeadParser, Lines

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_is_block = re.compile(rb"\r\n(?:" + _TOKEN + rb":[\t -~\x80-\xff]*\r\n)*\r\n").fullmatch
_lines = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*)\r\n").findall


class H11Fields:
    """See `hybrid.http1.head.FieldParser`."""

    __slots__ = ()

    def begin(self, builder: HeadParser) -> Lines:
        return partial(_read, builder)

    def judge(self, error: Exception) -> None:
        raise error


def _read(builder: HeadParser, head: bytes) -> None:
    block = head[head.index(b"\r\n") :]
    if not _is_block(block):
        raise ProtocolError(400, "malformed header field", "RFC 9112 section 5")
    connection = h11.Connection(h11.SERVER)
    try:
        # As HTTP/1.0, in which Host is optional: whether it is needed is for our rule to say.
        connection.receive_data(b"GET / HTTP/1.0" + block)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        if error.error_status_hint != 501:
            raise ProtocolError(400, "malformed header field", "RFC 9112 section 5") from None
    else:
        if not isinstance(event, h11.Request):
            raise ProtocolError(400, "malformed header field", "RFC 9112 section 5")
    for name, value in _lines(block[2:]):
        builder.on_header(name, value)
