from __future__ import annotations

import base64

import pytest

from hybrid.errors import ProtocolError
from hybrid.http.limits import Limits
from hybrid.http.request import Request
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.head import HeadParser
from hybrid.http1.refusal import refusal
from hybrid.http1.response import Prefixes, ResponseError
from hybrid.websocket import Opening, acceptance, read_opening

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
PREFIXES = Prefixes(server=b"test", date=False)


def request(
    *extra: bytes, method: bytes = b"GET", key: bytes | None = KEY, version: bytes | None = b"13", minor: bytes = b"1"
) -> Request:
    lines = [
        method + b" /chat?x=1 HTTP/1." + minor,
        b"Host: example.org",
        b"Upgrade: WebSocket",
        b"Connection: keep-alive, Upgrade",
    ]
    if key is not None:
        lines.append(b"Sec-WebSocket-Key: " + key)
    if version is not None:
        lines.append(b"Sec-WebSocket-Version: " + version)
    return HeadParser(H11Fields(), Limits()).parse(b"\r\n".join([*lines, *extra]) + b"\r\n\r\n")


def opened(*extra: bytes, deflate: bool = False) -> Opening:
    return read_opening(request(*extra), deflate=deflate)


def refused(request: Request) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        read_opening(request, deflate=True)
    return caught.value


def test_accept_key_is_that_of_the_rfc_example() -> None:
    assert opened().accept == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_other_method_than_get_is_405_and_says_which_is_allowed() -> None:
    error = refused(request(method=b"POST"))
    assert error.status == 405
    assert b"\r\nallow: GET\r\n" in refusal(error, PREFIXES)


@pytest.mark.parametrize("version", [None, b"8", b"14", b"13, 8", b""])
def test_other_version_than_13_is_426_and_says_which_is_spoken(version: bytes | None) -> None:
    error = refused(request(version=version))
    assert error.status == 426
    answer = refusal(error, PREFIXES)
    assert answer.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"\r\nsec-websocket-version: 13\r\n" in answer
    assert b"\r\nconnection: close\r\n" in answer


def test_repeated_version_is_refused() -> None:
    assert refused(request(b"Sec-WebSocket-Version: 13")).status == 426


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"short",
        base64.b64encode(bytes(15)),
        base64.b64encode(bytes(17)),
        b"*" * 24,
        b"dGhlIHNhbXBsZSBub25jZQ= ",
    ],
)
def test_key_that_is_not_16_bytes_in_base64_is_400(key: bytes | None) -> None:
    assert refused(request(key=key)).status == 400


def test_two_keys_are_400() -> None:
    assert refused(request(b"Sec-WebSocket-Key: " + KEY)).status == 400


def test_body_is_400() -> None:
    assert refused(request(b"Content-Length: 4")).status == 400


def test_http_1_0_is_not_taken_for_an_upgrade_and_refused_if_it_is() -> None:
    old = request(minor=b"0")
    assert old.upgrade == b""
    assert refused(old).status == 400


def test_subprotocols_of_all_lines_in_order() -> None:
    opening = opened(b"Sec-WebSocket-Protocol: chat, superchat", b"Sec-WebSocket-Protocol: , v2.bin ,")
    assert opening.subprotocols == ["chat", "superchat", "v2.bin"]


def test_malformed_subprotocol_is_400() -> None:
    assert refused(request(b"Sec-WebSocket-Protocol: a b")).status == 400


def test_acceptance_says_what_the_rfc_wants_and_no_more() -> None:
    assert acceptance(opened(), PREFIXES) == (
        b"HTTP/1.1 101 Switching Protocols\r\nserver: test\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


def test_acceptance_carries_subprotocol_headers_and_compression() -> None:
    opening = opened(
        b"Sec-WebSocket-Protocol: a, b",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        deflate=True,
    )
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")]
    lines = acceptance(opening, PREFIXES, subprotocol="b", headers=headers).split(b"\r\n")
    assert b"sec-websocket-protocol: b" in lines
    assert b"Set-Cookie: a=1" in lines
    assert b"set-cookie: b=2" in lines
    extensions = [line for line in lines if line.startswith(b"sec-websocket-extensions: ")]
    assert extensions == [
        b"sec-websocket-extensions: permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    ]


def test_compression_is_not_agreed_on_when_switched_off() -> None:
    assert opened(b"Sec-WebSocket-Extensions: permessage-deflate").compression is None


def test_subprotocol_that_was_not_offered_is_refused() -> None:
    with pytest.raises(ResponseError, match="offered"):
        acceptance(opened(b"Sec-WebSocket-Protocol: a"), PREFIXES, subprotocol="b")


@pytest.mark.parametrize(
    "header", [(b"x-a", b"1\r\nx-b: 2"), (b"x a", b"1"), (b"sec-websocket-protocol", b"a"), (b"x-a", 1)]
)
def test_header_that_forges_or_interferes_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ResponseError):
        acceptance(opened(), PREFIXES, headers=[header])


def test_hop_by_hop_headers_of_the_application_are_left_out() -> None:
    answer = acceptance(opened(), PREFIXES, headers=[(b"Connection", b"close"), (b"Content-Length", b"3")])
    assert answer == acceptance(opened(), PREFIXES)


def test_server_header_of_the_application_wins() -> None:
    answer = acceptance(opened(), PREFIXES, headers=[(b"Server", b"mine")])
    assert b"Server: mine\r\n" in answer
    assert b"server: test" not in answer
