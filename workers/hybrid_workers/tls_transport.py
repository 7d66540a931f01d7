"""TLS over a non-blocking socket, with the manners of a plain one.

`recv()` and `send()` raise BlockingIOError where a plain socket would; what TLS itself waits for does not
show. OpenSSL keeps nothing back after a read of a whole record or more, so a poller that watches the
descriptor level-triggered misses nothing.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

from hybrid.http.tls_facts import TlsFacts, facts_of

RECORD: Final = 16384
"""The most that one record holds, and so one call of OpenSSL."""


class TlsTransport:
    """The server's end. `handshake()` until it returns 0, then as a socket."""

    __slots__ = ("_is_cut", "_socket", "fileno", "getsockopt")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Takes the socket over. Raises OSError when the client has gone already."""
        self._socket = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.fileno = self._socket.fileno
        self.getsockopt = self._socket.getsockopt
        self._is_cut = False

    @property
    def facts(self) -> TlsFacts:
        """What was negotiated."""
        return facts_of(self._socket)

    def handshake(self) -> str:
        """Go on with the handshake: "" when it is complete, else what it waits for, "read" or "write".

        Raises OSError; ssl.SSLError among them says what is wrong with the client.
        """
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            return "read"
        except ssl.SSLWantWriteError:
            return "write"
        return ""

    def recv(self, size: int) -> bytes:
        try:
            return self._socket.recv(max(size, RECORD))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def send(self, data: bytes | memoryview) -> int:
        """As many records as the kernel takes. What was not taken must come first in the next call."""
        send = self._socket.send
        size = len(data)
        if size <= RECORD:
            try:
                return send(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                raise BlockingIOError from error
        rest = memoryview(data)
        sent = 0
        while sent < size:
            try:
                taken = send(rest[sent : sent + RECORD])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                if sent:
                    return sent
                raise BlockingIOError from error
            if not taken:  # so gevent's sockets say it
                return sent
            sent += taken
        return sent

    def shutdown(self, how: int) -> None:
        """Tell the client that nothing more comes. What it still sends is then read as it is, and is no plain text."""
        self._say_goodbye()
        self._socket.shutdown(how)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        if option == socket.SO_LINGER and level == socket.SOL_SOCKET:
            self._is_cut = True  # to be closed by a reset: a goodbye would say that all is well
        self._socket.setsockopt(level, option, value)

    def close(self) -> None:
        if not self._is_cut:
            self._say_goodbye()
        self._socket.close()

    def _say_goodbye(self) -> None:
        """close_notify, without which a client takes the end for an attack. It is not waited for theirs."""
        try:
            self._socket.unwrap()
        except (OSError, ValueError):  # theirs has not come, or they are gone, or it was said before
            pass
