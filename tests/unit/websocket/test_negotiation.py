from __future__ import annotations

import pytest

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
