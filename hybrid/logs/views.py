"""`req` and `resp` in a hook, and what a logger class of gunicorn's kind is given. Made only where somebody looks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from hybrid.logs.atoms import LoggedRequest


class RequestView:
    """A request with the attributes of gunicorn's. Others may be added: a hook leaves the next one a note."""

    def __init__(self, request: LoggedRequest) -> None:
        self.received = request
        """The request itself."""
        self.method = request.method
        self.uri = request.target.decode("latin-1")
        self.path = request.path.decode("latin-1")
        self.query = request.query.decode("latin-1")
        self.fragment = ""
        self.version = (1, request.version)
        self.scheme = getattr(request, "scheme", "http")
        self.body = None
        """Bodies are for the application."""
        self.trailers: list[tuple[str, str]] = []
        self.proxy_protocol_info = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Upper-case names, as gunicorn has them."""
        return [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in self.received.headers]

    @property
    def remote_addr(self) -> tuple[str, int] | None:
        client: tuple[str, int] | None = getattr(self.received, "client", None)
        return client

    peer_addr = remote_addr

    def should_close(self) -> bool:
        return not getattr(self.received, "keep_alive", False)


class ResponseView:
    """A response with the attributes of gunicorn's. `headers` are given with lower-case names."""

    def __init__(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], sent: int, *, is_last: bool = False
    ) -> None:
        self.status = _status_line(status)
        """ "200 OK"."""
        self.status_code = status
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        self.sent = sent
        self.response_length = sent
        self.headers_sent = True
        self.must_close = is_last
        self.version = "hybrid"

    def should_close(self) -> bool:
        return self.must_close


def environ_of(request: LoggedRequest, client: str) -> dict[str, object]:
    """The variables that access logs and hooks read, for a request that has no WSGI environ."""
    return {
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.target.decode("latin-1"),
        "PATH_INFO": request.path.decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/1.{request.version}",
        "REMOTE_ADDR": client,
        "SERVER_SOFTWARE": os.environ.get("SERVER_SOFTWARE", "hybrid"),
        **{
            "HTTP_" + name.decode("latin-1").upper().replace("-", "_"): value.decode("latin-1")
            for name, value in request.headers
        },
    }


def _status_line(status: int) -> str:
    from http import HTTPStatus  # here: the arbiter imports this module, and never sees a response

    try:
        return f"{status} {_RENAMED.get(status) or HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


_RENAMED: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""As RFC 9110 calls them, and clients are told. Python before 3.13 has their old names."""
