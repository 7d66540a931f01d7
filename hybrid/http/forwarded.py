"""What proxies say of the client: X-Forwarded-* lists and the Forwarded field (RFC 7239), read but not yet believed.

Every proxy appends to the right of what it received, so the right end is the most credible: the last
item was written by our peer, the one before by whom our peer talked to, and so on. Whose word counts is
decided by walking from the right as long as the hops are trusted. The client can write any left end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from hybrid.errors import ProtocolError

Node = tuple[str, int]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_pair = re.compile(
    rb"[ \t]*(?:(" + _TOKEN + rb")=(?:(" + _TOKEN + rb')|"((?:[^"\\]|\\.)*)"))?[ \t]*([;,]|$)', re.DOTALL
).match
_unescape = re.compile(rb"\\(.)", re.DOTALL).sub


class Hop(NamedTuple):
    """One element of Forwarded: what one proxy said of the connection it accepted. "" is unsaid."""

    client: str = ""
    proto: str = ""
    host: str = ""


def parse_forwarded(value: bytes) -> list[Hop]:
    """The elements of all Forwarded fields, joined with commas. Raises ProtocolError when malformed.

    Refused rather than ignored: a client that could make a proxy's element unreadable could hide behind it.
    """
    hops = []
    params: dict[str, str] = {}
    at = 0
    while at <= len(value):
        match = _pair(value, at)
        if match is None:
            raise _malformed()
        if match[1]:
            name = match[1].lower().decode()
            if name in params:
                raise _malformed()
            raw = match[2] if match[2] is not None else _unescape(rb"\1", match[3])
            params[name] = raw.decode("latin-1")
        at = match.end()
        if match[4] != b";":
            if params:
                hops.append(Hop(params.get("for", ""), params.get("proto", ""), params.get("host", "")))
                params = {}
            if not match[4]:
                return hops
    return hops


def split_list(value: bytes) -> list[str]:
    """The items of an X-Forwarded-* list."""
    return [item.strip() for item in value.decode("latin-1").split(",")]


def parse_node(text: str) -> Node | None:
    """(address, port) of "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80"; port 0 if unsaid.

    None for what is no address: "unknown", "_obfuscated", anything a client made up.
    """
    host, port = text, ""
    if text[:1] == "[":
        host, bracket, port = text[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ip_address(host)
    except ValueError:
        return None
    if not port or port[0] == "_":
        return host, 0
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        return None
    return host, int(port)


def find_client(chain: Sequence[str], is_trusted: Callable[[str], bool]) -> tuple[Node | None, int]:
    """The right-most hop that is not trusted, and how many hops stand to its right.

    When all are trusted it is the left-most. An item that is no address ends the walk at the hop that
    named it; if that is our peer itself, the node is None.
    """
    found: Node | None = None
    depth = 0
    for depth, text in enumerate(reversed(chain)):
        node = parse_node(text)
        if node is None:
            return found, max(depth - 1, 0)
        found = node
        if not is_trusted(node[0]):
            break
    return found, depth


def at_depth(items: Sequence[str], depth: int) -> str:
    """The item that the hop at this depth wrote; the left-most if some proxies did not add theirs."""
    return items[max(len(items) - 1 - depth, 0)]


def _malformed() -> ProtocolError:
    return ProtocolError(400, "malformed Forwarded", "RFC 7239 section 4")
