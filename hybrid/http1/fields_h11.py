"""The field lines of a head, split by h11 (pure Python): for where httptools has no wheel.

h11 is lenient where llhttp is strict (bare LF, folded lines), so the grammar is checked first; and it
judges transfer codings its own way, so when it refuses one the lines go on unsplit by it to where our
rule stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from hybrid.errors import ProtocolError

if TYPE_CHECKING:
    from hybrid.http1.head import HeadParser

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_is_block = re.compile(rb"\r\n(?:" + _TOKEN + rb":[\t -~\x80-\xff]*\r\n)*\r\n").fullmatch
_lines = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*)\r\n").findall


class H11Fields:
    """See `hybrid.http1.head.FieldParser`."""

    __slots__ = ()

    def parse(self, block: bytes, builder: HeadParser) -> None:
        if not _is_block(block):
            raise ProtocolError(400, "malformed header field", "RFC 9112 section 5")
        connection = h11.Connection(h11.SERVER)
        try:
            # As HTTP/1.0, in which Host is optional: whether it is needed is for our rule to say.
            connection.receive_data(b"GET / HTTP/1.0" + block)
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint != 501:
                raise ProtocolError(400, f"malformed header field: {error}", "RFC 9112 section 5") from None
            items = _lines(block[2:])
        else:
            if not isinstance(event, h11.Request):
                raise ProtocolError(400, "malformed header field", "RFC 9112 section 5")
            items = event.headers.raw_items()
        for name, value in items:
            builder.on_header(name, value)

    def spent(self) -> None:
        """Nothing is kept between heads."""
