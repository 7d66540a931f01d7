"""Plays bytes into a Receiver as a worker does, and notes what an application would have seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.request import CHUNKED, Request
from hybrid.http1.body import ChunkedBody
from hybrid.http1.head import FieldParser, HeadParser
from hybrid.http1.receiver import Receiver


@dataclass(slots=True)
class Outcome:
    """What came of a connection."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    end: int | str = "open"
    """The status of the refusal, or open, closed, waits."""
    reason: str = ""


class Connection:
    """One connection of a worker that answers every request at once."""

    def __init__(self, parser: HeadParser, limits: Limits) -> None:
        self._receiver = Receiver(parser, limits)
        self._request: Request | None = None
        self._decoder: Any = None
        self._content = b""
        self.outcome = Outcome()

    def feed(self, data: bytes) -> None:
        """Take in what one read brought. Nothing is read after a refusal or the last request."""
        if self.outcome.end in ("open", "waits"):
            try:
                self._feed(data)
            except ProtocolError as error:
                self.outcome.end = error.status
                self.outcome.reason = error.reason

    def _feed(self, data: bytes) -> None:
        receiver = self._receiver
        while True:
            if self._request is None:
                self._request = receiver.next_request(data)
                if self._request is None:
                    self.outcome.end = "waits" if receiver.buffer else "open"
                    return
                self._decoder, self._content, data = receiver.body, b"", b""
            if receiver.body is not None:
                self._content += receiver.read_body(data)
                data = b""
                if receiver.body is not None:
                    self.outcome.end = "waits"
                    return
            self.outcome.seen.append(report(self._request, self._content, self._decoder))
            if not self._request.keep_alive:
                self.outcome.end = "closed"
                return
            self._request = None


def play(pieces: Iterable[bytes], fields: FieldParser | HeadParser, limits: Limits | None = None) -> Outcome:
    """One connection, and what came of it. A HeadParser is one that other connections have been read with."""
    limits = limits or Limits()
    parser = fields if isinstance(fields, HeadParser) else HeadParser(fields, limits)
    connection = Connection(parser, limits)
    for piece in pieces:
        connection.feed(piece)
    return connection.outcome


def report(request: Request, body: bytes, decoder: Any) -> dict[str, Any]:
    """What the case files compare; bytes as latin-1 text."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key, text = name.decode(), value.decode("latin-1")
        headers[key] = headers[key] + ("; " if key == "cookie" else ",") + text if key in headers else text
    trailers = decoder.trailers if isinstance(decoder, ChunkedBody) else []
    return {
        "method": request.method,
        "target": request.target.decode("latin-1"),
        "path": request.path.decode("latin-1"),
        "query": request.query.decode("latin-1"),
        "version": f"1.{request.version}",
        "host": None if request.host is None else request.host.decode("latin-1"),
        "headers": headers,
        "body": body.decode("latin-1"),
        "framing": {0: "none", CHUNKED: "chunked"}.get(request.content_length, "length"),
        "keep_alive": request.keep_alive,
        "expects_continue": request.expects_continue,
        "upgrade": request.upgrade.decode("latin-1"),
        "trailers": {name.decode(): value.decode("latin-1") for name, value in trailers},
    }


def differences(expected: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """What a case says of a request and is not so. `absent` are names that must not be among the headers."""
    found = []
    for key, value in expected.items():
        if key == "absent":
            found += [f"{name} among the headers" for name in value if name in seen["headers"]]
        elif key == "headers" and value:
            found += [
                f"header {name}: {seen['headers'].get(name)!r}, not {text!r}"
                for name, text in value.items()
                if seen["headers"].get(name) != text
            ]
        elif seen[key] != value:
            found.append(f"{key}: {seen[key]!r}, not {value!r}")
    return found
