from __future__ import annotations

import math

import pytest

from benchmarks.rate_load import answer_end, percentile


def test_answer_ends_where_its_length_says() -> None:
    answer = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
    for cut in range(len(answer)):
        assert answer_end(answer[:cut]) == 0
    assert answer_end(answer + b"HTTP/1.1 200") == len(answer)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
)
def test_answer_that_is_not_what_is_measured_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match="expected 200 with a length"):
        answer_end(answer)


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1000)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0.999)) == (500, 990, 999)
    assert percentile([7.0], 0.999) == 7
    assert math.isnan(percentile([], 0.5))
