"""Who is believed about what, when a request comes through proxies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybrid.errors import ProtocolError, SettingsError
from hybrid.http.limits import Limits
from hybrid.http.proxies import ProxyRules, introduce
from hybrid.http.request import Request
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from hybrid.settings import Settings

SERVER = ("192.0.2.80", 8000)
DEFAULTS = Settings(forwarded_allow_ips="127.0.0.1,10.0.0.0/8")


def introduced(
    *lines: str,
    settings: Settings = DEFAULTS,
    client: tuple[str, int] | None = ("127.0.0.1", 5000),
    said: list[str] | None = None,
) -> Request:
    head = "\r\n".join(["GET / HTTP/1.1", "Host: inside:8000", *lines, "", ""]).encode("latin-1")
    request = HeadParser(HttptoolsFields(), Limits()).parse(head)
    rules = ProxyRules(settings, said.append if said is not None else lambda line: None)
    introduce(request, rules.meet(client, SERVER), rules)
    return request


def with_all(allow: str = "127.0.0.1,10.0.0.0/8") -> Settings:
    return replace(DEFAULTS, forwarded_headers="for,proto,host,port,prefix", forwarded_allow_ips=allow)


def test_without_forwarded_fields_the_facts_are_those_of_the_connection() -> None:
    request = introduced(settings=replace(DEFAULTS, root_path="/app"))
    assert (request.client, request.server, request.scheme) == (("127.0.0.1", 5000), SERVER, "http")
    assert (request.root_path, request.host) == ("/app", b"inside:8000")


@pytest.mark.parametrize("line", ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7"])
def test_that_a_proxy_names_the_client_is_noted_once_where_nobody_asked_for_it(line: str) -> None:
    noted: list[str] = []
    head = f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()
    for settings, count in ((DEFAULTS, 1), (replace(DEFAULTS, forwarded_headers="for,proto"), 0)):
        noted.clear()
        rules = ProxyRules(settings, print, noted.append)
        for _ in range(2):
            request = HeadParser(HttptoolsFields(), Limits()).parse(head)
            introduce(request, rules.meet(("127.0.0.1", 1), SERVER), rules)
            assert request.client == ("203.0.113.7", 0)
        assert len(noted) == count
        assert all("--forwarded-headers proto" in text for text in noted)


def test_an_untrusted_peer_is_not_believed_and_that_is_said_once() -> None:
    said: list[str] = []
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n"
    rules = ProxyRules(with_all(), said.append)
    peer = rules.meet(("192.0.2.9", 1), SERVER)
    for _ in range(3):
        request = HeadParser(HttptoolsFields(), Limits()).parse(head)
        introduce(request, peer, rules)
        assert (request.client, request.scheme) == (("192.0.2.9", 1), "http")
    assert len(said) == 1
    assert "192.0.2.9" in said[0]
    assert "--forwarded-allow-ips" in said[0]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", ("203.0.113.7", 0)),
        ("203.0.113.7:4711", ("203.0.113.7", 4711)),
        ("[2001:db8::1]:4711", ("2001:db8::1", 4711)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("198.51.100.1, 203.0.113.7", ("203.0.113.7", 0)),
        ("203.0.113.7, 10.0.0.1, 10.0.0.2", ("203.0.113.7", 0)),
        ("spoofed, 203.0.113.7, 10.0.0.1", ("203.0.113.7", 0)),
        ("10.0.0.3, 10.0.0.1", ("10.0.0.3", 0)),
        ("unknown, 10.0.0.1", ("10.0.0.1", 0)),
        ("unknown", ("127.0.0.1", 5000)),
        ("", ("127.0.0.1", 5000)),
        ("203.0.113.7:port", ("127.0.0.1", 5000)),
    ],
)
def test_the_client_is_the_right_most_untrusted_hop(chain: str, client: tuple[str, int]) -> None:
    assert introduced(f"X-Forwarded-For: {chain}").client == client


def test_repeated_lines_are_one_chain() -> None:
    assert introduced("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7").client == ("203.0.113.7", 0)


def test_when_everyone_is_trusted_the_client_is_the_left_most() -> None:
    request = introduced("X-Forwarded-For: 198.51.100.1, 203.0.113.7", settings=with_all("*"), client=("192.0.2.9", 1))
    assert request.client == ("198.51.100.1", 0)


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        (["X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: HTTPS"], "https"),
        (["X-Forwarded-Proto: wss"], "https"),
        (["X-Forwarded-Proto: http"], "http"),
        (["X-Forwarded-Proto: ftp"], "http"),
        (["X-Forwarded-Ssl: on"], "https"),
        (["X-Forwarded-Ssl: off"], "http"),
        (["X-Forwarded-Protocol: ssl", "X-Forwarded-Proto: https"], "https"),
        (["X-Forwarded-Proto: https, http"], "http"),
        (["X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-Forwarded-Proto: https, http"], "https"),
        (["X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-Forwarded-Proto: https"], "https"),
    ],
)
def test_the_scheme_is_what_the_hop_nearest_the_client_says(lines: list[str], scheme: str) -> None:
    assert introduced(*lines).scheme == scheme


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"],
        ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
        ["X-Forwarded-Protocol: ssl", "X-Forwarded-Proto: http"],
    ],
)
def test_contradictory_schemes_are_refused_from_trusted_peers_only(lines: list[str]) -> None:
    with pytest.raises(ProtocolError, match="400"):
        introduced(*lines)
    assert introduced(*lines, client=("192.0.2.9", 1)).scheme == "http"


def test_own_scheme_headers_replace_the_usual_ones() -> None:
    settings = replace(DEFAULTS, secure_scheme_headers=("Front-End-Https=on",))
    assert introduced("Front-End-Https: on", settings=settings).scheme == "https"
    assert introduced("X-Forwarded-Proto: https", settings=settings).scheme == "http"
    assert introduced("Front-End-Https: on", settings=settings, client=("192.0.2.9", 1)).scheme == "http"


def test_host_port_and_prefix_are_believed_only_when_named() -> None:
    lines = ["X-Forwarded-Host: evil.example", "X-Forwarded-Port: 444", "X-Forwarded-Prefix: /evil"]
    said: list[str] = []
    request = introduced(*lines, said=said)
    assert (request.host, request.server, request.root_path) == (b"inside:8000", SERVER, "")
    assert "--forwarded-headers" in said[0]
    request = introduced(*lines, settings=with_all())
    assert (request.host, request.server, request.root_path) == (b"evil.example:444", ("192.0.2.80", 444), "/evil")
    assert request.headers[0] == (b"host", b"evil.example:444")
    assert [name for name, _ in request.headers].count(b"host") == 1


def test_a_default_port_is_left_out_of_the_host() -> None:
    lines = ["X-Forwarded-Host: example.org:1", "X-Forwarded-Port: 443", "X-Forwarded-Proto: https"]
    assert introduced(*lines, settings=with_all()).host == b"example.org"


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-Host: a b",
        "X-Forwarded-Host: a/b",
        "X-Forwarded-Port: 65536",
        "X-Forwarded-Port: x",
        "X-Forwarded-Prefix: x",
    ],
)
def test_malformed_claims_of_a_trusted_peer_are_refused(line: str) -> None:
    with pytest.raises(ProtocolError, match="400"):
        introduced(line, settings=with_all())


@pytest.mark.parametrize(
    ("line", "client", "scheme"),
    [
        ("Forwarded: for=203.0.113.7;proto=https", ("203.0.113.7", 0), "https"),
        ('Forwarded: For="[2001:db8::1]:4711" ; Proto=HTTPS', ("2001:db8::1", 4711), "https"),
        ("Forwarded: for=198.51.100.1;proto=https, for=203.0.113.7;proto=http", ("203.0.113.7", 0), "http"),
        ("Forwarded: for=203.0.113.7;proto=https, for=10.0.0.1;proto=http", ("203.0.113.7", 0), "https"),
        ('Forwarded: for="203.0.113.7:1\\2"', ("203.0.113.7", 12), "http"),
        ("Forwarded: for=unknown;proto=https", ("127.0.0.1", 5000), "https"),
        ("Forwarded: proto=https", ("127.0.0.1", 5000), "https"),
        ("Forwarded:", ("127.0.0.1", 5000), "http"),
    ],
)
def test_rfc_7239(line: str, client: tuple[str, int], scheme: str) -> None:
    request = introduced(line)
    assert (request.client, request.scheme) == (client, scheme)


def test_the_host_of_forwarded_is_believed_only_when_named() -> None:
    assert introduced("Forwarded: host=example.org").host == b"inside:8000"
    assert introduced("Forwarded: host=example.org", settings=with_all()).host == b"example.org"


@pytest.mark.parametrize("value", ["for", "for=a b", 'for="a', "for=a;for=b", "for==", "=a", "for=a b;x"])
def test_a_malformed_forwarded_field_is_refused(value: str) -> None:
    with pytest.raises(ProtocolError, match="malformed Forwarded"):
        introduced(f"Forwarded: {value}")


def test_a_forwarded_field_of_the_client_does_not_speak_beside_x_forwarded_for_of_the_proxy() -> None:
    request = introduced("Forwarded: for=1.2.3.4;proto=https", "X-Forwarded-For: 203.0.113.7")
    assert (request.client, request.scheme) == (("203.0.113.7", 0), "http")


def test_peers_on_a_unix_socket_are_trusted_by_the_word_unix() -> None:
    line = "X-Forwarded-For: 203.0.113.7"
    assert introduced(line, client=None).client is None
    assert introduced(line, client=None, settings=Settings()).client == ("203.0.113.7", 0)
    assert introduced(line, client=None, settings=with_all("*")).client == ("203.0.113.7", 0)


def test_proxy_headers_off_believes_nobody() -> None:
    request = introduced("X-Forwarded-For: 203.0.113.7", settings=replace(DEFAULTS, proxy_headers=False))
    assert request.client == ("127.0.0.1", 5000)


def test_an_unknown_claim_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="--forwarded-headers: fro"):
        ProxyRules(replace(DEFAULTS, forwarded_headers="fro"), print)


def test_fields_with_an_underscore_are_dropped_whoever_sends_them() -> None:
    request = introduced("X_Real_IP: 1.2.3.4")
    assert request.headers == [(b"host", b"inside:8000")]
    assert request.underscored is None


def test_header_map_refuse_and_dangerous() -> None:
    with pytest.raises(ProtocolError, match="400"):
        introduced("X_Y: z", settings=replace(DEFAULTS, header_map="refuse"))
    assert (b"x_y", b"z") in introduced("X_Y: z", settings=replace(DEFAULTS, header_map="dangerous")).headers


def test_forwarder_headers_pass_from_trusted_peers_only() -> None:
    refuse = replace(DEFAULTS, header_map="refuse")
    request = introduced("SCRIPT_NAME: /mount", settings=refuse)
    assert request.root_path == "/mount"
    assert (b"script_name", b"/mount") in request.headers
    with pytest.raises(ProtocolError):
        introduced("SCRIPT_NAME: /mount", settings=refuse, client=("192.0.2.9", 1))
    assert introduced("SCRIPT_NAME: /mount", client=("192.0.2.9", 1)).root_path == ""


def test_a_name_that_poses_as_a_forwarder_header_is_not_believed_when_everything_passes() -> None:
    settings = replace(DEFAULTS, header_map="dangerous")
    assert introduced("SCRIPT_NAME: /mount", settings=settings, client=("192.0.2.9", 1)).root_path == ""
