"""Field names: which ones mean something to a server, and a bounded memory of the ones seen.

The same few dozen names come with every request. Lower-casing, checking and classifying each of them
anew costs more than everything else done with a header, so a name is looked up by its exact bytes. The
table is bounded, because its keys come from the network.
"""

from __future__ import annotations

from enum import IntEnum


class Field(IntEnum):
    """What a request field means to the server; PLAIN fields are only carried."""

    PLAIN = 0
    HOST = 1
    CONTENT_LENGTH = 2
    TRANSFER_ENCODING = 3
    CONNECTION = 4
    EXPECT = 5
    UPGRADE = 6
    FORWARDED = 7
    """Any field by which a proxy speaks of the client: only believed from a trusted peer."""
    UNDERSCORE = 8
    """A name with an underscore: in a WSGI environ it cannot be told from one with a dash."""
    PROXY_CONNECTION = 9
    """Means nothing to us, but llhttp takes it for Connection."""
    REQUEST_ID = 10
    """By which the client, or a proxy, knows this request again."""
    TE = 11
    """What the client takes of a response's framing: trailers."""


_MEANING = {
    b"host": Field.HOST,
    b"content-length": Field.CONTENT_LENGTH,
    b"transfer-encoding": Field.TRANSFER_ENCODING,
    b"connection": Field.CONNECTION,
    b"expect": Field.EXPECT,
    b"upgrade": Field.UPGRADE,
    b"te": Field.TE,
    b"proxy-connection": Field.PROXY_CONNECTION,
    b"forwarded": Field.FORWARDED,
    b"x-forwarded-for": Field.FORWARDED,
    b"x-forwarded-proto": Field.FORWARDED,
    b"x-forwarded-protocol": Field.FORWARDED,
    b"x-forwarded-ssl": Field.FORWARDED,
    b"x-forwarded-host": Field.FORWARDED,
    b"x-forwarded-port": Field.FORWARDED,
    b"x-forwarded-prefix": Field.FORWARDED,
    b"x-request-id": Field.REQUEST_ID,
}

_MOST = 1024
_LONGEST = 64

_COMMON = (
    b"accept accept-charset accept-encoding accept-language access-control-request-headers"
    b" access-control-request-method authorization cache-control content-encoding content-type cookie date dnt"
    b" forwarded from if-match if-modified-since if-none-match if-range if-unmodified-since max-forwards origin pragma"
    b" priority range referer sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode"
    b" sec-fetch-site sec-fetch-user sec-websocket-extensions sec-websocket-key sec-websocket-protocol"
    b" sec-websocket-version traceparent tracestate trailer upgrade-insecure-requests user-agent via"
    b" x-amzn-trace-id x-csrf-token x-csrftoken x-real-ip x-requested-with"
).split()

KNOWN: dict[bytes, tuple[bytes, int]] = {}
"""Name as received -> (lower-cased name, Field). Read it directly on the hot path; `learn()` on a miss."""


def meaning_of(lower: bytes) -> Field:
    """What a lower-case name means."""
    return _MEANING.get(lower, Field.UNDERSCORE if b"_" in lower else Field.PLAIN)


def learn(name: bytes) -> tuple[bytes, int]:
    """The entry for a name not yet in KNOWN; remembers it while there is room."""
    lower = name.lower()
    entry = (lower, int(meaning_of(lower)))
    if len(KNOWN) < _MOST and len(name) <= _LONGEST:
        KNOWN[name] = entry
    return entry


# Learnt before any client can speak, so that no flood of invented names keeps these out.
for _name in (*_MEANING, *_COMMON):
    learn(_name)
    learn(_name.title())
