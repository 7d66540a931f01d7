"""Servers with TLS on every worker class, and clients that believe their authority."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import Authority, Certificate
from tests.integration.server import WAIT_S, Server
from tests.integration.workers.wire import Client

APPS = Path(__file__).parent

KINDS = {
    "sync": ("-k", "sync", "secure_app:wsgi_app"),
    "gthread": ("-k", "gthread", "--threads", "2", "secure_app:wsgi_app"),
    "gevent": ("-k", "gevent", "secure_app:wsgi_app"),
    "asgi-wsgi": ("-k", "asgi", "secure_app:wsgi_app"),
    "asgi": ("-k", "asgi", "secure_app:asgi_app"),
    "asgi-asyncio": ("-k", "asgi", "--loop", "asyncio", "secure_app:asgi_app"),
}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("server")


@dataclass(frozen=True, slots=True)
class SecureServer:
    """A server, and how to talk to it."""

    server: Server
    trust: ssl.SSLContext

    @contextmanager
    def connected(self, context: ssl.SSLContext | None = None, *, first: bytes = b"") -> Iterator[Client]:
        """A connection after its handshake. Its end without a goodbye is an error. `first` goes before TLS."""
        raw = socket.create_connection(("127.0.0.1", self.server.port), WAIT_S)
        with raw:
            raw.sendall(first)
            with (context or self.trust).wrap_socket(
                raw, server_hostname="localhost", suppress_ragged_eofs=False
            ) as sock:
                yield Client(sock)

    @contextmanager
    def plain(self) -> Iterator[Client]:
        """A connection without TLS."""
        with self.server.connected() as sock:
            yield Client(sock)


StartSecure = Callable[..., SecureServer]


def start(kind: str, certificate: Certificate, authority: Authority, *options: str) -> SecureServer:
    files = ["--certfile", str(certificate.cert), "--keyfile", str(certificate.key)]
    return SecureServer(Server([*files, *options, *KINDS[kind]], APPS), authority.client_context())


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, certificate: Certificate, authority: Authority) -> Iterator[SecureServer]:
    """One server of each kind for all tests that do not change it."""
    started = start(request.param, certificate, authority, "--tls-handshake-timeout", "1")
    yield started
    started.server.destroy()


@pytest.fixture
def secure(shared: SecureServer) -> Iterator[SecureServer]:
    before = len(shared.server.log.text)
    yield shared
    print(shared.server.log.text[before:][-12000:])


@pytest.fixture(params=KINDS)
def start_secure(
    request: pytest.FixtureRequest, certificate: Certificate, authority: Authority
) -> Iterator[StartSecure]:
    """`start_secure("--option", ...)`: a server of each kind for one test."""
    started: list[SecureServer] = []

    def begin(*options: str, certificate: Certificate = certificate) -> SecureServer:
        started.append(start(request.param, certificate, authority, *options))
        return started[-1]

    yield begin
    for one in started:
        one.server.destroy()
