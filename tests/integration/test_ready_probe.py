"""`--ready-probe` where a client needs more than a connection: TLS, a certificate of its own, a PROXY header."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.integration.conftest import Serve
from tests.integration.server import WAIT_S

APP = """
def wsgi(environ, start_response):
    start_response("%s", [("Content-Length", "0")])
    return []

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": int("%s"[:3]), "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""

KINDS = ("sync", "gthread", "gevent", "asgi")
CLIENTS = {
    "PROXY v1": ("--proxy-protocol", "v1"),
    "PROXY v2": ("--proxy-protocol", "v2"),
    "PROXY any": ("--proxy-protocol", "auto"),
    "PROXY of strangers refused": ("--proxy-protocol", "v2", "--proxy-allow-from", "192.0.2.1"),
    "TLS": (),
    "TLS with a certificate": ("--cert-reqs", "2"),
    "TLS and PROXY v2": ("--proxy-protocol", "v2"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_worker_can_probe_itself(tmp_path: Path, serve: Serve, authority: Authority, kind: str, client: str) -> None:
    options = list(CLIENTS[client])
    if client.startswith("TLS"):
        files = authority.issue("server")
        options += ["--certfile", str(files.cert), "--keyfile", str(files.key), "--ca-certs", str(authority.cert)]
    app = f"shop:{'asgi' if kind == 'asgi' else 'wsgi'}"
    (tmp_path / "shop.py").write_text(APP % ("200 OK", "200 OK"))
    server = serve(app, "-k", kind, "--ready-probe", "/healthz", "--access-logfile", "-", *options)
    server.wait_ready()
    server.log.wait(r'"GET /healthz HTTP/1.1" 200')
    assert server.stop() == 0
    (tmp_path / "shop.py").write_text(APP % ("503 No", "503 No"))
    broken = serve(app, "-k", kind, "--ready-probe", "/healthz", *options)
    assert broken.wait_exit() == 3
    assert "ready probe: GET /healthz: answered 503" in broken.log.text


def test_certificates_are_asked_for_once_the_worker_serves(tmp_path: Path, serve: Serve, authority: Authority) -> None:
    files, own = authority.issue("server"), authority.issue("client", common_name="shop")
    (tmp_path / "shop.py").write_text(APP % ("200 OK", "200 OK"))
    options = ["--certfile", str(files.cert), "--keyfile", str(files.key), "--ca-certs", str(authority.cert)]
    server = serve("shop:wsgi", "--ready-probe", "/healthz", "--cert-reqs", "2", *options)
    server.wait_ready()
    for known in (False, True):
        tls = ssl.create_default_context(cafile=str(authority.cert))
        if known:
            tls.load_cert_chain(own.cert, own.key)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=tls, timeout=WAIT_S)
        with contextlib.nullcontext() if known else pytest.raises(OSError):
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        connection.close()
    assert server.stop() == 0
