"""Latency at half of what the server can do: what visitors feel on a machine that is not overloaded.

Each server is first asked how much it can do, with wrk, then gets half of that at even intervals. Latencies count from
the moment at which a request was due, so that a server which stands still is not flattered.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import load, rate_load
from benchmarks.load import Load
from benchmarks.questioning import Bench, Question, Sample
from benchmarks.servers import Server

SHARE = 0.5
_MOST_PER_S = 12_000
"""More than this the load, which is Python, cannot send evenly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateQuestion(Question):
    columns = {
        "p99_ms": "p99 ms",
        "p999_ms": "p99.9 ms",
        "p50_ms": "p50 ms",
        "rate_per_s": "requests/s sent",
        "capacity_per_s": "requests/s at most",
        "unanswered": "unanswered",
        "sender_late_ms": "p99 of the load's own lateness ms",
    }
    path: str
    connections: int = 64

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        with bench.start(server, app) as up:
            wanted = Load(path=self.path, connections=self.connections)
            load.run(wanted, up.port, bench.warm_up_s, bench.cores)
            capacity = load.run(wanted, up.port, max(1, bench.seconds // 2), bench.cores).requests_per_s
            rate = min(capacity * SHARE, _MOST_PER_S)
            report = rate_load.run(up.port, self.path, rate, self.connections, bench.seconds, bench.cores)
        return {
            "p99_ms": report.p99_ms,
            "p999_ms": report.p999_ms,
            "p50_ms": report.p50_ms,
            "rate_per_s": rate,
            "capacity_per_s": capacity,
            "unanswered": report.sent - report.answered,
            "sender_late_ms": report.sender_late_ms,
        }


QUESTIONS = [
    RateQuestion(
        name=f"fixed_rate_{interface}",
        title=f"Latency of a Django view at 50 % of the server's capacity, on 64 connections ({path})",
        apps={interface: f"with_django:{interface}"},
        path=path,
    )
    for interface, path in (("wsgi", "/json"), ("asgi", "/async"))
]
