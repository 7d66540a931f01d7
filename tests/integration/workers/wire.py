"""Raw connections: what a client says, byte by byte, and what it hears."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """One response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: test", *fields, "", ""]).encode()


def post(path: str, body: bytes | None = None, *fields: str) -> bytes:
    """With `body` None the fields say how long it is."""
    counted = [] if body is None else [f"Content-Length: {len(body)}"]
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: test", *counted, *fields, "", ""]).encode() + (body or b"")


class Client:
    """Reads responses off one connection, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._data = bytearray()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        """Send no more, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def hear(self) -> Heard:
        """The next response, 1xx included. Raises EOFError when the connection ends before."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *rest = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        status = int(first.split()[1])
        if "transfer-encoding" in headers:
            chunks = []
            while size := int(self._until(b"\r\n"), 16):
                chunks.append(self._exactly(size + 2)[:-2])
            self._until(b"\r\n")
            body = b"".join(chunks)
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            body = b"" if status < 200 or status in (204, 304) else self.rest()
        return Heard(status, headers, body)

    def ask(self, request: bytes) -> Heard:
        self.send(request)
        return self.hear()

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while self._more():
            pass
        return self._take(len(self._data))

    @property
    def is_closed(self) -> bool:
        """The server has closed, having said nothing more."""
        return self.rest() == b""

    def _until(self, mark: bytes) -> bytes:
        while (end := self._data.find(mark)) < 0:
            if not self._more():
                raise EOFError(f"the connection ended after {bytes(self._data)!r}")
        found = self._take(end)
        del self._data[: len(mark)]
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            if not self._more():
                raise EOFError(f"the connection ended after {len(self._data)} of {size} bytes")
        return self._take(size)

    def _take(self, size: int) -> bytes:
        # From the front of a bytearray, because that moves nothing: answers have many megabytes, and a
        # server that is stopping waits a second for the next request, not for a slow test.
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def _more(self) -> bool:
        data = self.socket.recv(1 << 20)
        self._data += data
        return bool(data)
