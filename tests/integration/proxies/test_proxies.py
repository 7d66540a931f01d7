"""Forwarded headers and the PROXY protocol: one verdict on every worker class."""

from __future__ import annotations

import json
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.integration.server import WAIT_S, Server
from tests.integration.workers.wire import Client, get

APPS = Path(__file__).parents[1] / "tls"

KINDS = {
    "sync": ("-k", "sync", "secure_app:wsgi_app"),
    "gthread": ("-k", "gthread", "--threads", "2", "secure_app:wsgi_app"),
    "gevent": ("-k", "gevent", "secure_app:wsgi_app"),
    "asgi-wsgi": ("-k", "asgi", "secure_app:wsgi_app"),
    "asgi": ("-k", "asgi", "secure_app:asgi_app"),
}

ALL = ("--forwarded-headers", "for,proto,host,port,prefix")
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H4s4sHH", 12, bytes((203, 0, 113, 7)), bytes(4), 4711, 443)
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

Start = Callable[..., Server]


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*options: str) -> Server:
        servers.append(Server([*options, *KINDS[request.param]], APPS))
        return servers[-1]

    yield begin
    for server in servers:
        server.destroy()


@contextmanager
def connected(server: Server, first: bytes = b"") -> Iterator[Client]:
    with server.connected() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        client.send(first)
        yield client


def facts(client: Client, *fields: str, path: str = "/") -> dict[str, Any]:
    answer = client.ask(get(path, *fields))
    assert answer.status == 200
    return json.loads(answer.body)  # type: ignore[no-any-return]


# -- forwarded headers -------------------------------------------------------------------------------


def test_trusted_proxy_names_client_and_scheme_and_each_request_speaks_for_itself(start: Start) -> None:
    server = start()
    with connected(server) as client:
        told = facts(client, "X-Forwarded-For: 198.51.100.3, 203.0.113.7", "X-Forwarded-Proto: https")
        assert (told["client"], told["scheme"], told["host"]) == ("203.0.113.7", "https", "test")
        told = facts(client)
        assert (told["client"], told["scheme"]) == ("127.0.0.1", "http")
        told = facts(client, 'Forwarded: for="[2001:db8::7]:80";proto=https')
        assert (told["client"], told["scheme"]) == ("2001:db8::7", "https")


@pytest.mark.parametrize("named", [False, True])
def test_wsgi_workers_say_once_that_a_proxy_names_the_client_unless_it_was_asked_for(
    start: Start, request: pytest.FixtureRequest, named: bool
) -> None:
    server = start(*(("--forwarded-headers", "for,proto") if named else ()))
    for _ in range(2):
        with connected(server) as client:
            assert facts(client, "X-Forwarded-For: 203.0.113.7")["client"] == "203.0.113.7"
    assert server.stop() == 0
    is_told = not named and "-k asgi" not in " ".join(KINDS[request.node.callspec.params["start"]])
    assert server.log.text.count("The proxy 127.0.0.1 names the client") == is_told


def test_host_port_and_prefix_are_used_where_asked_for(start: Start) -> None:
    fields = ("X-Forwarded-Host: shop.example", "X-Forwarded-Port: 8443", "X-Forwarded-Prefix: /shop")
    with connected(start(*ALL)) as client:
        told = facts(client, "X-Forwarded-Proto: https", *fields, path="/shop/cart")
        assert (told["host"], told["port"]) == ("shop.example:8443", "8443")
        assert (told["script_name"], told["path"]) == ("/shop", "/cart")
    with connected(start()) as client:
        told = facts(client, *fields, path="/shop/cart")
        assert (told["host"], told["script_name"], told["path"]) == ("test", "", "/shop/cart")


def test_prefix_that_the_proxy_has_stripped_is_put_in_front(start: Start) -> None:
    with connected(start(*ALL, "--root-path-mode", "stripped")) as client:
        told = facts(client, "X-Forwarded-Prefix: /shop", path="/cart")
        assert (told["script_name"], told["path"]) == ("/shop", "/cart")


def test_others_are_not_believed_and_that_is_said_once(start: Start) -> None:
    server = start("--forwarded-allow-ips", "192.0.2.1", *ALL)
    for _ in range(3):
        with connected(server) as client:
            told = facts(
                client, "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"
            )
            assert (told["client"], told["scheme"], told["host"]) == ("127.0.0.1", "http", "test")
            assert facts(client, "Forwarded: for=203.0.113.7;proto=https")["client"] == "127.0.0.1"
    assert server.log.text.count("forwarded header ignored from untrusted peer 127.0.0.1") == 1


def test_no_proxy_headers_means_none(start: Start) -> None:
    with connected(start("--no-proxy-headers")) as client:
        told = facts(client, "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")
        assert (told["client"], told["scheme"]) == ("127.0.0.1", "http")


def test_schemes_that_contradict_each_other_are_refused(start: Start) -> None:
    with connected(start()) as client:
        assert client.ask(get("/", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off")).status == 400


def test_own_scheme_header_is_used_and_the_others_no_longer(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "conf.py"
    config.write_text('secure_scheme_headers = {"X-SECURE": "yes"}\n')
    with connected(start("-c", str(config))) as client:
        assert facts(client, "X-Secure: yes")["scheme"] == "https"
        assert facts(client, "X-Secure: no")["scheme"] == "http"
        assert facts(client, "X-Forwarded-Proto: https")["scheme"] == "http"


def test_script_name_is_taken_from_a_trusted_peer_only(start: Start) -> None:
    with connected(start()) as client:
        told = facts(client, "SCRIPT_NAME: /shop", path="/shop/cart")
        assert (told["script_name"], told["path"]) == ("/shop", "/cart")
    with connected(start("--forwarded-allow-ips", "192.0.2.1")) as client:
        told = facts(client, "SCRIPT_NAME: /shop", path="/shop/cart")
        assert (told["script_name"], told["path"]) == ("", "/shop/cart")


def test_unix_socket_is_trusted_unless_left_out(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    for allowed, seen in (("unix", "203.0.113.7"), ("127.0.0.1", "")):
        server = start("--bind", f"unix:{path}", "--forwarded-allow-ips", allowed)
        server.wait_ready()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(WAIT_S)
            sock.connect(str(path))
            assert facts(Client(sock), "X-Forwarded-For: 203.0.113.7")["client"] == seen
        server.stop()


# -- the PROXY protocol ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_proxy_header_names_the_client_of_every_request(start: Start, header: bytes) -> None:
    with connected(start("--proxy-protocol"), header + get("/")) as client:
        assert json.loads(client.hear().body)["client"] == "203.0.113.7"
        assert facts(client)["client"] == "203.0.113.7"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_proxy_header_may_come_byte_by_byte(start: Start, header: bytes) -> None:
    with connected(start("--proxy-protocol")) as client:
        for byte in header + get("/"):
            client.send(bytes([byte]))
        assert json.loads(client.hear().body)["client"] == "203.0.113.7"


def test_proxy_that_speaks_for_itself_is_its_own_client(start: Start) -> None:
    server = start("--proxy-protocol")
    for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
        with connected(server, header) as client:
            assert facts(client)["client"] == "127.0.0.1"


def test_only_the_version_asked_for_is_taken(start: Start) -> None:
    with connected(start("--proxy-protocol", "v2"), V1 + get("/")) as client:
        assert client.hear().status == 400


def test_trusted_peer_without_or_with_a_malformed_header_is_refused_and_named_once(start: Start) -> None:
    server = start("--proxy-protocol")
    for first in (b"", b"PROXY TCP4 elephant 192.0.2.1 1 2\r\n"):
        for _ in range(2):
            with connected(server, first + get("/")) as client:
                assert client.hear().status == 400
                assert client.is_closed
    for reason in ("which --proxy-protocol requires of this peer", "malformed address in version 1 header"):
        server.log.wait(reason)
        assert server.log.text.count(reason) == 1


def test_proxy_header_of_an_untrusted_peer_is_refused_and_said_once(start: Start) -> None:
    server = start("--proxy-protocol", "--proxy-allow-from", "192.0.2.1")
    for header in (V1, V2):
        with connected(server, header + get("/")) as client:
            assert client.hear().status == 400
    server.log.wait("a PROXY header from a peer that is not trusted")
    assert server.log.text.count("a PROXY header from a peer that is not trusted") == 1
    with connected(server) as client:
        assert facts(client)["client"] == "127.0.0.1"  # whoever sends none is served


def test_proxy_header_is_no_http_where_it_is_not_switched_on(start: Start) -> None:
    server = start()
    for header in (V1, V2):
        with connected(server, header + get("/")) as client:
            assert client.hear().status == 400


def test_unix_socket_may_send_a_proxy_header(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    start("--bind", f"unix:{path}", "--proxy-protocol").wait_ready()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT_S)
        sock.connect(str(path))
        sock.sendall(V2)
        assert facts(Client(sock))["client"] == "203.0.113.7"


def test_proxied_client_decides_whose_forwarded_headers_count(start: Start) -> None:
    server = start("--proxy-protocol", "--forwarded-allow-ips", "203.0.113.7")
    with connected(server, V1) as client:
        assert facts(client, "X-Forwarded-For: 198.51.100.3")["client"] == "198.51.100.3"
    with connected(server, V1.replace(b"113.7", b"113.8")) as client:
        assert facts(client, "X-Forwarded-For: 198.51.100.3")["client"] == "203.0.113.8"


def test_silent_and_slow_proxies_stop_nobody_and_are_closed(start: Start) -> None:
    server = start("--proxy-protocol", "--tls-handshake-timeout", "0.5")
    with connected(server) as silent, connected(server, V1[:20]) as slow:
        for _ in range(3):
            with connected(server, V1) as client:
                assert facts(client)["client"] == "203.0.113.7"
        assert silent.is_closed
        assert slow.is_closed


def test_a_proxy_header_byte_by_byte_ends_at_the_same_deadline(start: Start) -> None:
    server = start("--proxy-protocol", "--tls-handshake-timeout", "0.5")
    with connected(server) as client:
        for at in range(len(V1) - 1):
            try:
                client.send(V1[at : at + 1])
            except (BrokenPipeError, ConnectionResetError):
                return
            if select.select([client.socket], [], [], 0.1)[0]:
                return
        raise AssertionError("the header was taken byte by byte, in four seconds")


def test_tls_may_follow_the_proxy_header(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("server")
    server = start("--proxy-protocol", "--certfile", str(files.cert), "--keyfile", str(files.key))
    for header in (V1, V2, LOCAL):
        with server.connected() as raw:
            raw.sendall(header)
            with authority.client_context().wrap_socket(raw, server_hostname="localhost") as sock:
                told = facts(Client(sock))
                assert told["client"] == ("127.0.0.1" if header == LOCAL else "203.0.113.7")
                assert (told["scheme"], told["tls"]) == ("https", "TLSv1.3")
    with connected(server, V1 + get("/")) as client:
        assert b"plain HTTP was sent to a TLS port" in client.hear().body
