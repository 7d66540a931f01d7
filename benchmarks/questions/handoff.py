"""What it costs that a request comes on a connection of another pool than its own.

One server with two pools of one worker and one application. First all requests are for the same pool, and a connection
comes there once; then each is for either of the two, by chance: so with half of them the connection changes hands.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import load, procfs
from benchmarks.load import Load
from benchmarks.process import Running, ServerFailed
from benchmarks.questioning import HELLO, Bench, Question, Sample
from benchmarks.servers import Server

_POOLS = "--pool other={app} --route /other=other"
_CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class EitherPool(Load):
    def script(self) -> str:
        return (
            f"function request() return wrk.format(nil, math.random() < {_CHANCE} and {self.path!r} or '/other') end\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffQuestion(Question):
    columns = {
        "handoff_us": "CPU us/hand-off",
        "direct_us": "CPU us/request without",
        "mixed_us": "CPU us/request with half",
        "direct_p50_ms": "p50 ms without",
        "mixed_p50_ms": "p50 ms with half",
        "failures": "failures",
    }

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.is_ours:
            raise ServerFailed("it has no pools")
        with bench.start(server.with_options(_POOLS), app) as up:
            direct = _run(bench, up, Load(connections=32))
            mixed = _run(bench, up, EitherPool(connections=32))
        return {
            "handoff_us": (mixed["cpu_us"] - direct["cpu_us"]) / _CHANCE,
            "direct_us": direct["cpu_us"],
            "mixed_us": mixed["cpu_us"],
            "direct_p50_ms": direct["p50_ms"],
            "mixed_p50_ms": mixed["p50_ms"],
            "failures": direct["failures"] + mixed["failures"],
        }


def _run(bench: Bench, up: Running, what: Load) -> Sample:
    load.run(what, up.port, bench.warm_up_s, bench.cores, up.scheme)
    before = procfs.cpu_s(up.session)
    report = load.run(what, up.port, bench.seconds, bench.cores, up.scheme)
    used = procfs.cpu_s(up.session) - before
    if not report.requests:
        raise ServerFailed(f"answered no request in {report.seconds:.1f} s")
    return {"cpu_us": used / report.requests * 1e6, "p50_ms": report.p50_ms, "failures": report.failures}


QUESTION = HandOffQuestion(
    name="handoff",
    title="Hello, World! from two pools in one server, each request for either of them, on 32 connections",
    apps=HELLO,
)
