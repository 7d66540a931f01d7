"""Applications that wait 10 ms for something else: how many requests a worker holds at once, and how late it is.

The ideal is connections / 10 ms, and a latency of 10 ms. A WSGI worker has as many at once as threads or greenlets.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.load import Load
from benchmarks.questioning import LOAD_COLUMNS, Bench, LoadQuestion, Sample
from benchmarks.servers import Server

WAIT_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingQuestion(LoadQuestion):
    """How far from the ideal, in the number of answers; CPU time is said beside it."""

    columns = {"of_ideal": "times the ideal time", **LOAD_COLUMNS}

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        sample = LoadQuestion.measure(self, bench, server, app)
        return {"of_ideal": self.load.connections / WAIT_S / sample["requests_per_s"], **sample}


def _question(connections: int) -> WaitingQuestion:
    return WaitingQuestion(
        name=f"waiting_{connections}",
        title=f"An application that waits 10 ms, on {connections} keep-alive connections",
        apps={"wsgi": "waiting_wsgi:app", "asgi": "waiting_asgi:app"},
        answer=b"Hello, World!",
        load=Load(connections=connections),
    )


QUESTIONS = [_question(connections) for connections in (1, 64, 512)]
