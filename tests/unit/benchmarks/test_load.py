import math

import pytest

from benchmarks.load import Load, LoadFailed, read_report

REPORT = """Running 2s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   398.25us  116.57us   4.27ms   84.48%
    Req/Sec   159.51k     9.14k  169.43k    85.00%
  Latency Distribution
     50%  378.00us
     75%  455.00us
     90%    0.52ms
     99%    1.20s
  318130 requests in 2.01s, 45.51MB read
"""


def test_report_gives_requests_time_and_percentiles_in_one_unit() -> None:
    report = read_report(REPORT)
    assert report.requests == 318130
    assert report.seconds == pytest.approx(2.01)
    assert report.p50_ms == pytest.approx(0.378)
    assert report.p99_ms == pytest.approx(1200)
    assert report.failures == 0
    assert report.requests_per_s == pytest.approx(318130 / 2.01)


def test_socket_errors_and_refusals_are_failures() -> None:
    text = REPORT + "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"
    assert read_report(text).failures == 15


def test_missing_percentiles_are_not_a_number() -> None:
    assert math.isnan(read_report("1 requests in 1.00s, 1KB read").p99_ms)


def test_text_without_a_total_is_refused() -> None:
    with pytest.raises(LoadFailed, match="no total"):
        read_report("unable to connect to 127.0.0.1:1 Connection refused")


def test_script_sends_method_body_and_headers() -> None:
    script = Load(method="POST", body_bytes=10, headers={"X-Quote": 'a"b'}).script()
    assert 'wrk.method = "POST"' in script
    assert 'wrk.body = string.rep("x", 10)' in script
    assert 'wrk.headers["X-Quote"] = "a\\"b"' in script


def test_pipelining_writes_several_requests_at_once() -> None:
    assert 'string.rep(wrk.format(nil, "/"), 16)' in Load(pipeline=16).script()
    assert "init" not in Load().script()
