"""The smallest answer through TLS: what encryption adds on connections that stay open, and what a handshake costs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import certificate
from benchmarks.load import Load
from benchmarks.process import ServerFailed
from benchmarks.questioning import HELLO, Bench, LoadQuestion, Sample
from benchmarks.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedQuestion(LoadQuestion):
    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.tls:
            raise ServerFailed("its command for TLS is not in servers.py")
        certificate.make()
        return LoadQuestion.measure(self, bench, server.with_options(server.tls), app)


def _question(name: str, title: str, load: Load) -> EncryptedQuestion:
    return EncryptedQuestion(
        name=name,
        title=title,
        apps=HELLO,
        answer=b"Hello, World!",
        load=load,
    )


QUESTIONS = [
    _question("tls", "Hello, World! over TLS, on 64 keep-alive connections", Load()),
    _question(
        "tls_handshake",
        "Hello, World! over TLS with a connection for each request, 16 at a time",
        Load(connections=16, headers={"Connection": "close"}),
    ),
]
