"""Requests for these tests, read by the real parser."""

from __future__ import annotations

from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser

PEER = Peer(client=("192.0.2.7", 50312), server=("127.0.0.1", 8000))


def request(
    line: str = "GET / HTTP/1.1", *fields: str, peer: Peer = PEER, root_path: str = "", host: str = "example.org"
) -> Request:
    """The request of this line and these fields; a Host is added."""
    lines = [line, f"Host: {host}", *fields, "", ""]
    found = HeadParser(HttptoolsFields(), Limits()).parse("\r\n".join(lines).encode("latin-1"))
    found.client, found.server, found.scheme, found.root_path = peer.client, peer.server, peer.scheme, root_path
    return found
