"""The authority of a URI, which is also the value of a Host field. RFC 3986 section 3.2, RFC 9110 section 4.2."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

_is_authority = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)(?:%25[A-Za-z0-9\-._~]+)?\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?"
).fullmatch


def is_authority(value: bytes) -> bool:
    """Whether this is host or host:port, without user information. An empty host is none."""
    match = _is_authority(value)
    return match is not None and int(match[2] or 0) <= 65535 and (not match[1] or _is_ipv6(match[1]))


def with_port(authority: bytes, port: int, scheme: str) -> bytes:
    """The authority with this port instead of its own; without any where it is the scheme's default."""
    host, colon, after = authority.rpartition(b":")
    if not colon or b"]" in after:
        host = authority
    return host if port == (443 if scheme in ("https", "wss") else 80) else b"%b:%d" % (host, port)


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode())
    except ValueError:
        return False
    return True
