"""The kinds of question. A question file makes one of these, or of a kind of its own."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from benchmarks import load, procfs
from benchmarks.load import Load
from benchmarks.peers import Environment
from benchmarks.pinning import Cores
from benchmarks.process import Running, ServerFailed, free_port, running
from benchmarks.servers import Server

APPS = Path(__file__).parent / "apps"
MB = 1024 * 1024

Sample = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement shares."""

    environment: Environment
    cores: Cores
    seconds: int
    """Length of one measured run; whole seconds, since wrk takes no other."""
    warm_up_s: int

    def start(
        self, server: Server, app: str, path: str = "/", folder: Path = APPS, environ: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Running]:
        """The server with this application, up and answering, until the context ends."""
        port = free_port()
        arguments = server.arguments(python=self.environment.python, bin=self.environment.bin, port=port, app=app)
        variables = {**self.environment.variables(is_pure=server.is_pure), **(environ or {})}
        return running(arguments, port, folder, self.cores, variables, path, is_tls=server.is_tls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is measured, and how. Kinds of questions say it by `columns` and `measure()`."""

    columns: ClassVar[Mapping[str, str]]
    """Metric -> heading, in order. The first is what ratios and the order of rows are about; less is better."""
    name: str
    title: str
    apps: Mapping[str, str]
    """What to run for each interface: an interface that is not there is not asked."""
    has_floor: bool = False
    """Constant answers of a program that is no server of applications may stand beside."""

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        """One round. Raises ServerFailed or LoadFailed when there is nothing to measure."""
        raise NotImplementedError


HELLO = {"wsgi": "plain_wsgi:hello", "asgi": "plain_asgi:hello"}
"""The smallest application of each interface."""
LOAD_COLUMNS = {
    "cpu_us": "CPU us/request",
    "requests_per_s": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "pss_mb": "PSS MB",
    "failures": "failures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadQuestion(Question):
    """Send the same request as fast as the server takes it, and see what each one costs."""

    columns = LOAD_COLUMNS
    answer: bytes
    """The body that every server must give; a server that gives another is not measured."""
    load: Load = field(default_factory=Load)

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        with bench.start(server, app) as up:
            self._check_the_answer(up)
            load.run(self.load, up.port, bench.warm_up_s, bench.cores, up.scheme)
            before = procfs.cpu_s(up.session)
            report = load.run(self.load, up.port, bench.seconds, bench.cores, up.scheme)
            used = procfs.cpu_s(up.session) - before
            pss = procfs.memory(up.session).pss
        if not report.requests:
            raise ServerFailed(f"{server.name} answered no request in {report.seconds:.1f} s")
        return {
            "cpu_us": used / report.requests * 1e6,
            "requests_per_s": report.requests_per_s,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
            "pss_mb": pss / MB,
            "failures": report.failures,
        }

    def _check_the_answer(self, up: Running) -> None:
        connection = up.connect(timeout=10)
        try:
            connection.request(self.load.method, self.load.path, self.load.body or None, self.load.headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"no proper answer: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200 or body != self.answer:
            raise ServerFailed(
                f"answered {response.status} with {len(body)} bytes {body[:40]!r}; "
                f"expected 200 with {len(self.answer)} bytes {self.answer[:40]!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUpQuestion(Question):
    """From the start of the process to the end of its first answer, and what it then weighs."""

    columns = {
        "start_ms": "start to first answer ms",
        "first_rss_mb": "RSS of the first process MB",
        "pss_mb": "PSS of all MB",
    }

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        with bench.start(server, app) as up:
            weight = procfs.memory(up.session)
        return {
            "start_ms": up.start_s * 1000,
            "first_rss_mb": weight.rss_of_first / MB,
            "pss_mb": weight.pss / MB,
        }
