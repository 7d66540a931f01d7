"""Every case in the process: whole, byte by byte and at random splits, with each parser back end."""

from __future__ import annotations

import itertools
import random

import pytest

from hybrid.http.limits import Limits
from hybrid.http1.fields_h11 import H11Fields
from hybrid.http1.fields_httptools import HttptoolsFields
from hybrid.http1.head import HeadParser
from tests.conformance.casefile import Case, load
from tests.conformance.playing import differences, play

CASES = load()
FIELDS = {"httptools": HttptoolsFields, "h11": H11Fields}
PROBE = b"GET /the-next-request HTTP/1.1\r\nHost: example\r\n\r\n"
_LONG = 2000
"""Cases longer than this are not played byte by byte but in pieces of about a hundredth."""


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 250
    assert all(case.rule for case in CASES)


def cut(data: bytes, offsets: list[int]) -> list[bytes]:
    edges = [0, *sorted({offset for offset in offsets if 0 < offset < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def splits_of(case: Case, data: bytes) -> list[list[bytes]]:
    """The ways to deliver a case. The seed is in the name of the failing way, and depends on the case alone."""
    step = 1 if len(data) <= _LONG else len(data) // 100
    ways = [[data], cut(data, list(range(step, len(data), step)))]
    rng = random.Random(case.id)
    ways += [
        cut(data, rng.sample(range(len(data) + 1), k=min(len(data), rng.choice((1, 1, 2, 3, 8))))) for _ in range(8)
    ]
    # Between CR and LF is where parsers go wrong.
    ways.append(cut(data, [at + 1 for at, byte in enumerate(data) if byte == 13][:200]))
    if case.splits:
        ways.append(cut(data, list(case.splits)))
    return ways


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case: Case, fields: str) -> None:
    # A request of ours follows: it must be answered where the connection stays open, and never be seen otherwise.
    is_open = case.status is None and case.then == "open"
    data = case.data if case.then == "waits" else case.data + PROBE
    for pieces in splits_of(case, data):
        outcome = play(pieces, FIELDS[fields]())
        seen = [request for request in outcome.seen if request["target"] != "/the-next-request"]
        how = f"{case.rule}; {case.data[:300]!r} in {len(pieces)} pieces of {[len(piece) for piece in pieces[:40]]}"
        assert len(seen) == len(case.sees), f"{how}: {outcome}"
        for expected, request in zip(case.sees, seen, strict=True):
            assert not differences(expected, request), how
        assert outcome.end == (case.status or case.then), how
        assert len(outcome.seen) - len(seen) == is_open, how


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_case_that_comes_again_is_judged_as_it_was(case: Case, fields: str) -> None:
    parser = HeadParser(FIELDS[fields](), Limits())
    first, *again = (play([case.data], parser) for _ in range(4))
    assert again == [first] * 3
