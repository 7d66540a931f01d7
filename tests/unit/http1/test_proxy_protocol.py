"""ProxyDecoder: both versions, at every split."""

from __future__ import annotations

import struct

import pytest

from hybrid.errors import ProtocolError
from hybrid.http1.proxy_protocol import Proxied, ProxyDecoder

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REST = b"GET / HTTP/1.1\r\n"


def version2(family: int, addresses: bytes, *, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(addresses)) + addresses


V4 = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + struct.pack("!HH", 56324, 443)
V6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002") + struct.pack("!HH", 1, 2)

VALID = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", ("192.0.2.1", 56324), ("192.0.2.2", 443)),
    (b"PROXY TCP6 2001:db8::1 2001:DB8:0::2 1 0\r\n", ("2001:db8::1", 1), ("2001:db8::2", 0)),
    (b"PROXY UNKNOWN\r\n", None, None),
    (b"PROXY UNKNOWN ff:: ff:: 1 2\r\n", None, None),
    (version2(0x11, V4), ("192.0.2.1", 56324), ("192.0.2.2", 443)),
    (version2(0x11, V4 + b"\x04\x00\x01x"), ("192.0.2.1", 56324), ("192.0.2.2", 443)),
    (version2(0x21, V6), ("2001:db8::1", 1), ("2001:db8::2", 2)),
    (version2(0x31, b"\0" * 216), None, None),
    (version2(0x00, b""), None, None),
    (version2(0x00, b"", command=0x20), None, None),
    (version2(0x11, V4, command=0x20), None, None),
]


@pytest.mark.parametrize(("header", "client", "server"), VALID)
def test_a_header_is_decoded_at_every_split(
    header: bytes, client: tuple[str, int] | None, server: tuple[str, int] | None
) -> None:
    expected = Proxied(client, server, REST)
    assert ProxyDecoder("auto").feed(header + REST) == expected
    for at in range(1, len(header)):
        decoder = ProxyDecoder("auto")
        assert decoder.feed(header[:at]) is None
        assert decoder.feed(header[at:] + REST) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 56324 443\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.256 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 \xff 1 2\r\n",
        b"PROXY UNKNOWN" + b" " * 100,
        version2(0x11, V4, command=0x11),
        version2(0x11, V4, command=0x22),
        version2(0x11, V4[:11]),
        version2(0x21, V6[:35]),
        version2(0x12, V4),
        version2(0x41, V4),
        version2(0x11, V4 + b"\0" * 5000),
    ],
)
def test_anything_else_is_refused_whole_and_byte_by_byte(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="PROXY protocol"):
        ProxyDecoder("auto").feed(data)
    decoder = ProxyDecoder("auto")
    with pytest.raises(ProtocolError, match="PROXY protocol"):
        assert [decoder.feed(data[at : at + 1]) for at in range(len(data))] == "refused"


def test_only_the_version_asked_for_is_decoded() -> None:
    for accepts, data in (("v1", version2(0x11, V4)), ("v2", b"PROXY UNKNOWN\r\n"), ("off", b"PROXY UNKNOWN\r\n")):
        with pytest.raises(ProtocolError):
            ProxyDecoder(accepts).feed(data)
