from __future__ import annotations

import random

import pytest
from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from hybrid.websocket import negotiate


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (b"permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (
            b"permessage-deflate; client_max_window_bits",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
        ),
        (
            b"permessage-deflate; server_max_window_bits=15; client_max_window_bits=10",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=10",
        ),
        (b"x-other, permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (
            b"permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10",
            b"permessage-deflate; server_max_window_bits=10",
        ),
    ],
)
def test_first_acceptable_offer_is_answered(offer: bytes, answer: bytes) -> None:
    compression = negotiate([offer])
    assert compression is not None
    assert compression.answer == answer


@pytest.mark.parametrize(
    "offer",
    [
        b"x-webkit-deflate-frame",
        b"permessage-deflate; what_is_this",
        b"permessage-deflate; server_max_window_bits=16",
        b"permessage-deflate; server_max_window_bits",
        b"permessage-deflate; client_max_window_bits=7",
        b"permessage-deflate; server_no_context_takeover=1",
        b"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        b"permessage-deflate;;",
        b"=",
        b"permessage-deflate; server_max_window_bits=8",
    ],
)
def test_other_offers_are_declined_and_the_connection_goes_on_without(offer: bytes) -> None:
    assert negotiate([offer]) is None


def test_no_offer_no_compression() -> None:
    assert negotiate([]) is None


def test_offers_may_come_in_several_lines() -> None:
    compression = negotiate([b"x-a; b=c", b"permessage-deflate; client_no_context_takeover"])
    assert compression is not None
    assert compression.client_forgets
    assert not compression.server_forgets
    assert (compression.client_window, compression.server_window) == (15, 12)


def test_quoted_values_are_what_they_quote() -> None:
    compression = negotiate([b'permessage-deflate ;\tserver_max_window_bits = "1\\0"; client_max_window_bits="9"'])
    assert compression is not None
    assert (compression.client_window, compression.server_window) == (9, 10)


@pytest.mark.parametrize("offer", [b", ,permessage-deflate,", b"permessage-deflate, other; a=b"])
def test_empty_elements_and_other_extensions_do_not_matter(offer: bytes) -> None:
    assert negotiate([offer]) is not None


@pytest.mark.parametrize(
    "other", [b"=", b"other;", b"other; a=", b'other; a="b c"', b'other; a="b,c"', b"other x", b"\xe9"]
)
def test_a_malformed_line_declines_all_of_it(other: bytes) -> None:
    assert negotiate([b"permessage-deflate, " + other]) is None


def test_same_answer_as_the_websockets_library() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(3000):
        offer = _random_offer(draw)
        compression = negotiate([offer])
        assert (compression and compression.answer) == _answer_of_the_library(offer), offer


def _random_offer(draw: random.Random) -> bytes:
    """Mostly well-formed."""
    names = ["server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits"]
    parameters = [*names, "client_max_window_bits", "client_max_window_bits", "unknown"]
    values = ["", "", "", "=8", "=9", "=10", "= 12", "=15", "=16", '="11"', '="1\\1"', "=09", '=""', "=", '="x y"']
    gaps = ["", "", "", " ", "\t", " \t "]
    elements = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        element = draw.choice(
            ("permessage-deflate", "permessage-deflate", "permessage-deflate", "x-other", "", "(", "=")
        )
        for _ in range(draw.choice((0, 0, 1, 1, 2, 3))):
            element += f"{draw.choice(gaps)};{draw.choice(gaps)}{draw.choice(parameters)}{draw.choice(values)}"
        elements.append(draw.choice(gaps) + element + draw.choice(gaps))
    return ",".join(elements).strip().encode()


def _answer_of_the_library(offer: bytes) -> bytes | None:
    factory = ServerPerMessageDeflateFactory(server_max_window_bits=12, client_max_window_bits=12)
    try:
        offered = parse_extension(offer.decode("latin-1"))
    except InvalidHeaderFormat:
        return None
    for name, parameters in offered:
        try:
            if name == factory.name:
                return build_extension([(factory.name, factory.process_request_params(parameters, [])[0])]).encode()
        except NegotiationError:
            pass
    return None
