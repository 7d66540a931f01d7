"""TLS with real handshakes, on every worker class."""

from __future__ import annotations

import hashlib
import json
import select
import shutil
import signal
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.certificates import Authority, Certificate
from tests.integration.server import WAIT_S, Server, launch
from tests.integration.tls.conftest import APPS, SecureServer, StartSecure
from tests.integration.tls.secure_app import BLOCK, BLOCKS
from tests.integration.workers.wire import Client, get, post


def facts(client: Client, request: bytes) -> dict[str, Any]:
    answer = client.ask(request)
    assert answer.status == 200
    return json.loads(answer.body)  # type: ignore[no-any-return]


# -- requests ----------------------------------------------------------------------------------------


def test_requests_are_answered_and_the_connection_is_kept(secure: SecureServer) -> None:
    with secure.connected() as client:
        for _ in range(3):
            told = facts(client, get("/"))
            assert (told["scheme"], told["tls"], told["client"]) == ("https", "TLSv1.3", "127.0.0.1")
            assert told["name"] is None


def test_http_1_1_is_agreed_on(secure: SecureServer) -> None:
    context = secure.trust
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secure.connected(context) as client:
        assert client.socket.selected_alpn_protocol() == "http/1.1"  # type: ignore[attr-defined]
        assert facts(client, get("/"))["scheme"] == "https"


def test_old_clients_may_use_1_2_and_nothing_older(start_secure: StartSecure, authority: Authority) -> None:
    any_cipher = "ALL:@SECLEVEL=0"  # or OpenSSL would refuse 1.1 by itself
    secure = start_secure("--ciphers", any_cipher)
    old = authority.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with secure.connected(old) as client:
        assert facts(client, get("/"))["tls"] == "TLSv1.2"
    older = authority.client_context()
    older.set_ciphers(any_cipher)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError), secure.connected(older):
        pass
    secure.server.log.wait("TLS handshake with 127.0.0.1 failed: unsupported protocol")


def test_large_bodies_come_whole_in_both_directions(secure: SecureServer) -> None:
    with secure.connected() as client:
        assert facts(client, post("/", b"x" * 3_000_000))["size"] == 3_000_000
        for path in ("/large", "/file"):
            answer = client.ask(get(path))
            assert hashlib.sha256(answer.body).digest() == hashlib.sha256(BLOCK * BLOCKS).digest()


def test_pipelined_requests_in_one_record_are_all_answered(secure: SecureServer) -> None:
    with secure.connected() as client:
        client.send(get("/") * 5)
        assert [client.hear().status for _ in range(5)] == [200] * 5


def test_head_in_single_bytes_and_records_is_understood(secure: SecureServer) -> None:
    with secure.connected() as client:
        for byte in get("/"):
            client.send(bytes([byte]))
        assert client.hear().status == 200


def test_end_is_said_so_that_the_client_can_tell_it_from_an_attack(secure: SecureServer) -> None:
    with secure.connected() as client:
        client.send(get("/large", version="1.0"))
        assert client.rest().endswith(BLOCK)


def test_half_an_answer_does_not_end_like_a_whole_one(secure: SecureServer) -> None:
    with secure.connected() as client:
        client.send(get("/half", version="1.0"))
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            client.rest()
    with secure.connected() as client, pytest.raises((EOFError, ssl.SSLEOFError, ConnectionResetError)):
        client.ask(get("/half"))


def test_malformed_request_is_told_why(secure: SecureServer) -> None:
    with secure.connected() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.rest().startswith(b"HTTP/1.1 400 ")


def test_client_that_leaves_without_a_goodbye_is_no_event(secure: SecureServer) -> None:
    before = len(secure.server.log.text)
    for request in (b"", get("/"), get("/large"), b"GET / HT"):
        with secure.connected() as client:
            client.send(request)
            client.reset()
    with secure.connected() as client:
        assert facts(client, get("/"))["scheme"] == "https"
    assert "Traceback" not in secure.server.log.text[before:]


def test_client_that_reads_slowly_does_not_stop_others(secure: SecureServer) -> None:
    with secure.connected() as slow:
        slow.send(get("/large"))
        for _ in range(3):
            with secure.connected() as client:
                assert facts(client, get("/"))["scheme"] == "https"
        assert slow.hear().body == BLOCK * BLOCKS


# -- handshakes --------------------------------------------------------------------------------------


def test_unfinished_handshakes_stop_nobody_and_end_at_their_deadline(secure: SecureServer) -> None:
    hello = _client_hello()
    slow = [socket.create_connection(("127.0.0.1", secure.server.port), WAIT_S) for _ in range(30)]
    try:
        for number, sock in enumerate(slow):
            sock.sendall(hello[: (number % 3) * 40])  # nothing, some, some more
        for _ in range(3):
            with secure.connected() as client:
                assert facts(client, get("/"))["scheme"] == "https"
        for sock in slow:
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:
                pass
    finally:
        for sock in slow:
            sock.close()


def test_a_handshake_byte_by_byte_ends_at_the_same_deadline(secure: SecureServer) -> None:
    hello = _client_hello()
    with socket.create_connection(("127.0.0.1", secure.server.port), WAIT_S) as sock:
        for at in range(len(hello) - 1):
            try:
                sock.sendall(hello[at : at + 1])
            except (BrokenPipeError, ConnectionResetError):
                return
            if select.select([sock], [], [], 0.05)[0]:
                return
        raise AssertionError(f"{len(hello)} bytes were taken one by one, in {len(hello) * 0.05:.0f} s")


def test_plain_http_is_told_in_plain_http_and_said_once(start_secure: StartSecure) -> None:
    secure = start_secure()
    secure.server.wait_ready()
    for _ in range(3):
        with secure.plain() as client:
            client.send(get("/"))
            answer = client.rest()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"plain HTTP was sent to a TLS port; use https" in answer
    with secure.connected() as client:
        assert facts(client, get("/"))["scheme"] == "https"
    assert secure.server.log.text.count("plain HTTP was sent to a TLS port") == 1


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent", "asgi"])
def test_tls_on_a_plain_port_is_said_once(kind: str, authority: Authority) -> None:
    server = Server(["-k", kind, f"secure_app:{'asgi' if kind == 'asgi' else 'wsgi'}_app"], APPS)
    try:
        for _ in range(3):
            with pytest.raises(ssl.SSLError), server.connected() as sock:
                authority.client_context().wrap_socket(sock, server_hostname="localhost")
        assert server.get("/").status == 200
        assert server.log.text.count("TLS sent to a plain HTTP port") == 1
    finally:
        server.destroy()


def test_client_certificate_is_required_and_told_to_the_application(
    start_secure: StartSecure, authority: Authority
) -> None:
    secure = start_secure("--ca-certs", str(authority.cert), "--cert-reqs", "2")
    known = authority.client_context(authority.issue("ada", common_name="Ada"))
    with secure.connected(known) as client:
        assert facts(client, get("/"))["name"] == "CN=Ada"
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)), secure.connected() as client:
        client.ask(get("/"))
    secure.server.log.wait("TLS handshake with 127.0.0.1 failed: peer did not return a certificate")


def test_oldest_version_can_be_raised(start_secure: StartSecure, authority: Authority) -> None:
    secure = start_secure("--tls-min-version", "1.3")
    old = authority.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)), secure.connected(old):
        pass
    with secure.connected() as client:
        assert facts(client, get("/"))["tls"] == "TLSv1.3"


def test_websocket_goes_over_tls(certificate: Certificate, authority: Authority) -> None:
    files = ["--certfile", str(certificate.cert), "--keyfile", str(certificate.key)]
    server = Server([*files, "-k", "asgi", "secure_app:asgi_app"], APPS)
    try:
        with connect(f"wss://localhost:{server.port}/", ssl=authority.client_context(), proxy=None) as socket_:
            assert socket_.recv(WAIT_S) == "wss"
    finally:
        server.destroy()


def test_hook_of_a_settings_file_makes_the_context(
    start_secure: StartSecure, authority: Authority, tmp_path: Path
) -> None:
    config = tmp_path / "conf.py"
    config.write_text(
        "import ssl\n"
        "def ssl_context(config, default_ssl_context_factory):\n"
        "    context = default_ssl_context_factory()\n"
        "    context.minimum_version = ssl.TLSVersion.TLSv1_3\n"
        "    return context\n"
    )
    secure = start_secure("-c", str(config))
    old = authority.client_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)), secure.connected(old):
        pass
    with secure.connected() as client:
        assert facts(client, get("/"))["tls"] == "TLSv1.3"


# -- files -------------------------------------------------------------------------------------------


def serial(client: Client) -> str:
    return client.socket.getpeercert()["serialNumber"]  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def renewable(authority: Authority, tmp_path: Path) -> Certificate:
    """A certificate in files of the test's own."""
    issued = authority.issue(f"renewable-{tmp_path.name}")
    files = Certificate(tmp_path / "site.crt", tmp_path / "site.key")
    shutil.copy(issued.cert, files.cert)
    shutil.copy(issued.key, files.key)
    return files


def test_reload_reads_the_certificate_again_and_drops_no_connection(
    start_secure: StartSecure, authority: Authority, renewable: Certificate
) -> None:
    secure = start_secure(certificate=renewable)
    (first,) = secure.server.wait_ready()
    with secure.connected() as under_way, secure.connected() as idle:
        before = serial(idle)
        assert facts(idle, get("/"))["scheme"] == "https"
        under_way.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ")
        fresh = authority.issue("fresh")
        shutil.copy(fresh.key, renewable.key)
        shutil.copy(fresh.cert, renewable.cert)
        secure.server.send(signal.SIGHUP)
        secure.server.wait_ready(2)
        # The old worker accepts until it is told to stop, which is after the new one is ready.
        seen = {before}
        for _ in range(1000):
            with secure.connected() as client:
                seen.add(serial(client))
                assert facts(client, get("/"))["scheme"] == "https"
            if len(seen) > 1:
                break
        assert len(seen) == 2, "the new certificate was never shown"
        under_way.send(b"done.")
        assert json.loads(under_way.hear().body)["size"] == 10
    secure.server.wait_gone(first)


def test_reload_with_a_broken_certificate_leaves_the_old_generation_serving(
    start_secure: StartSecure, renewable: Certificate
) -> None:
    secure = start_secure(certificate=renewable)
    secure.server.wait_ready()
    renewable.cert.write_text("no certificate\n")
    secure.server.send(signal.SIGHUP)
    secure.server.log.wait(r"site\.crt: there is no certificate in PEM format in this file")
    secure.server.log.wait(r"generation 0 serves on")
    with secure.connected() as client:
        assert facts(client, get("/"))["scheme"] == "https"


def test_files_that_cannot_be_used_end_the_start_with_one_line(
    authority: Authority, certificate: Certificate, tmp_path: Path
) -> None:
    locked = authority.issue("locked", password="sesame")
    cases = {
        ("missing.crt", str(certificate.key)): "setting certfile: cannot read missing.crt",
        (str(certificate.cert), "missing.key"): "setting keyfile: cannot read missing.key",
        (str(certificate.cert), str(locked.key)): "the key is encrypted; give --keyfile-password",
    }
    for (cert, key), said in cases.items():
        arguments = ["-b", "127.0.0.1:0", "--certfile", cert, "--keyfile", key, "-w", "2", "-k", "sync"]
        process, log = launch([*arguments, "secure_app:wsgi_app"], APPS)
        try:
            assert process.wait(WAIT_S) == 1
            assert log.wait_end()
            assert log.text.count(said) == 1, log.text
            assert "Traceback" not in log.text
        finally:
            process.kill()
            log.close()


def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
