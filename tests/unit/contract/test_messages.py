"""The vocabulary of the channel, also for what no worker of ours would say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.contract.messages import BootFailed, Draining, Ready, Retire, Started, decode, encode


@pytest.mark.parametrize(
    "message", [Ready(0.5, "asgi"), BootFailed(4, "no", "Traceback"), Retire("asked"), Draining("stop"), Started(77)]
)
def test_what_is_encoded_is_decoded(message: Ready | BootFailed | Retire | Draining | Started) -> None:
    assert decode(encode(message).rstrip(b"\n")) == message


def test_a_whole_number_may_stand_for_seconds() -> None:
    assert decode(b'{"type": "Ready", "boot_s": 1}') == Ready(1)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "BootFailed", "exit_code": "4", "reason": "no"}',
        b'{"type": "BootFailed", "exit_code": 4, "reason": "no", "traceback": 7}',
        b'{"type": "Started", "pid": "1"}',
        b'{"type": "Started", "pid": null}',
        b'{"type": "Ready", "boot_s": [0.1]}',
        b'{"type": "Retire", "reason": {}}',
        b'{"type": "Retire", "reason": "x", "more": 1}',
        b'{"type": "Retire"}',
        b'{"type": ["Retire"]}',
        b'{"type": "Nobody"}',
        b"[" * 100_000,
        b"1" * 10_000,
        b'"\xff"',
        b"",
    ],
)
def test_nonsense_is_no_message(line: bytes) -> None:
    assert decode(line) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["Ready", "BootFailed", "Retire", "Draining", "Started", "LoopBlocked", "Shadowed"]),
    st.dictionaries(st.sampled_from(["boot_s", "app", "exit_code", "reason", "traceback", "pid", "seconds"]), _JSON),
)
def test_nothing_that_is_decoded_has_other_types_than_it_says(name: str, fields: dict[str, object]) -> None:
    match decode(json.dumps({**fields, "type": name}).encode()):
        case BootFailed(code, reason, traceback):
            assert isinstance(code, int)
            assert isinstance(reason, str)
            assert isinstance(traceback, str)
        case Started(pid):
            assert isinstance(pid, int)
        case Retire(reason) | Draining(reason):
            assert isinstance(reason, str)
