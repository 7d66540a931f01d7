from __future__ import annotations

import pytest

from hybrid.websocket import Failure, frames


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_header_has_the_shortest_length(size: int, header: bytes) -> None:
    assert frames.header(0x82, size) == header


def test_close_has_code_and_reason() -> None:
    assert frames.close(1000, "bye") == b"\x88\x05\x03\xe8bye"


def test_close_without_status_is_empty() -> None:
    assert frames.close(frames.NO_STATUS) == b"\x88\x00"


def test_long_close_reason_is_cut_between_characters() -> None:
    frame = frames.close(1000, "\u20ac" * 60)
    assert frame[1] == 2 + 123
    assert frames.read_close(frame[2:]) == (1000, "\u20ac" * 41)


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2999, 5000, 65535])
def test_impossible_close_code_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match="may not be sent"):
        frames.close(code)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_valid_close_codes_are_read(code: int) -> None:
    assert frames.read_close(code.to_bytes(2) + b"why") == (code, "why")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_invalid_close_codes_are_1002(code: int) -> None:
    with pytest.raises(Failure) as caught:
        frames.read_close(code.to_bytes(2))
    assert caught.value.code == 1002


def test_empty_close_has_no_status() -> None:
    assert frames.read_close(b"") == (1005, "")


def test_half_a_close_code_is_1002() -> None:
    with pytest.raises(Failure) as caught:
        frames.read_close(b"\x03")
    assert caught.value.code == 1002


def test_close_reason_that_is_not_utf8_is_1007() -> None:
    with pytest.raises(Failure) as caught:
        frames.read_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007
