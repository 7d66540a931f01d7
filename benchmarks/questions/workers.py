"""One, two and four workers: do more workers answer more?

Asked of machines with a core for each worker and one for the load; elsewhere the scheduler would be measured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from benchmarks.pinning import this_machine
from benchmarks.process import ServerFailed
from benchmarks.questioning import HELLO, LOAD_COLUMNS, Bench, LoadQuestion, Sample
from benchmarks.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersQuestion(LoadQuestion):
    columns = {"us_each": "wall us/request", **LOAD_COLUMNS}
    workers: int = 1

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.workers:
            raise ServerFailed("its command for several workers is not in servers.py")
        available = len(os.sched_getaffinity(0))
        if available < self.workers + 1:
            raise ServerFailed(f"needs {self.workers + 1} cores, and this machine has {available}")
        bench = replace(bench, cores=this_machine(self.workers))
        sample = LoadQuestion.measure(self, bench, server.with_workers(self.workers), app)
        return {"us_each": 1e6 / sample["requests_per_s"], **sample}


QUESTIONS = [
    WorkersQuestion(
        name=f"workers_{workers}",
        title=f"Hello, World! with {workers} worker{'s' if workers > 1 else ''}, each on a core, on 64 connections",
        apps=HELLO,
        answer=b"Hello, World!",
        workers=workers,
    )
    for workers in (1, 2, 4)
]
