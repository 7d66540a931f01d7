"""The same smallest answer with an access log line for each: beside `hello`, what the log costs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.process import ServerFailed
from benchmarks.questioning import HELLO, Bench, LoadQuestion, Sample
from benchmarks.servers import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedQuestion(LoadQuestion):
    """Each server writes its usual line to a file."""

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.log_on:
            raise ServerFailed("its command for an access log is not in servers.py")
        return LoadQuestion.measure(self, bench, server.with_access_log, app)


QUESTION = LoggedQuestion(
    name="access_log",
    title="Hello, World! with the access log on, on 64 keep-alive connections",
    apps=HELLO,
    answer=b"Hello, World!",
)
