"""Lines of JSON."""

import pytest

from hybrid.control.wire import Lines, decode, encode


def test_message_survives_the_way() -> None:
    assert decode(encode({"command": "reload", "wait": True})) == {"command": "reload", "wait": True}


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b"\xff"])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_lines_come_out_whole_however_they_arrive() -> None:
    lines = Lines()
    found = [line for byte in b"one\ntwo\nthr" for line in lines.feed(bytes([byte]))]
    assert found == [b"one", b"two"]
    assert lines.pending == 3
