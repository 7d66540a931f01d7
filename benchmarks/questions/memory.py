"""What 1, 4 and 16 workers of a real Django site weigh, with and without the application imported before the fork.

PSS: each page is shared among the processes that map it. Measured after each worker has answered, since what
is shared after the fork is shared less with every request.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.process import Running, ServerFailed
from benchmarks.questioning import MB, Bench, Question, Sample
from benchmarks.servers import Server

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "django_project"
REQUESTS_EACH = 25
"""Requests for each worker, on connections of their own, so that with all likelihood each has answered some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion(Question):
    columns = {"pss_mb": "PSS of all MB", "each_mb": "PSS per worker MB", "processes": "processes"}

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.workers:
            raise ServerFailed("its command for several workers is not in servers.py")
        if self.is_preloaded and not server.preload:
            raise ServerFailed("it has no option to import the application before the fork")
        server = server.with_workers(self.workers)
        if self.is_preloaded:
            server = server.with_options((self.is_warmed and server.warmed) or server.preload)
        with (
            _database(bench) as data,
            bench.start(server, app, folder=PROJECT, environ={"MYSITE_DATA": data}) as up,
        ):
            _use_all(up, self.workers * REQUESTS_EACH)
            pids = procfs.processes_of(up.session)
            pss = procfs.memory(up.session).pss / MB
        return {"pss_mb": pss, "each_mb": pss / self.workers, "processes": len(pids)}

    workers: int
    is_preloaded: bool
    is_warmed: bool = False
    """With requests before the fork, where a server can."""


@contextmanager
def _database(bench: Bench) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [bench.environment.python, str(PROJECT / "manage.py"), "migrate", "--verbosity", "0"],
            env={**os.environ, **bench.environment.variables(), "MYSITE_DATA": folder},
            check=True,
        )
        yield folder


def _use_all(up: Running, count: int) -> None:
    """So many page views, a handful of them open at once."""
    for _ in range(count // 5 + 1):
        clients = [up.connect(timeout=30) for _ in range(5)]
        try:
            for client in clients:
                client.request("GET", "/")
            for client in clients:
                if client.getresponse().read()[:1] != b"<":
                    raise ServerFailed("the page of the example is not what it should be")
        except (OSError, http.client.HTTPException) as error:
            raise ServerFailed(f"no proper answer: {error!r}") from error
        finally:
            for client in clients:
                client.close()


QUESTIONS = [
    MemoryQuestion(
        name=f"memory_{workers}{'_preload' if is_preloaded else ''}",
        title=f"Memory of the Django example, {workers} worker{'s' if workers > 1 else ''}"
        + (", imported before the fork" if is_preloaded else ""),
        apps={"wsgi": "mysite.wsgi:application", "asgi": "mysite.asgi:application"},
        workers=workers,
        is_preloaded=is_preloaded,
    )
    for workers in (1, 4, 16)
    for is_preloaded in (False, True)
]
QUESTIONS.append(
    MemoryQuestion(
        name="memory_4_warmed",
        title="Memory of the Django example, 4 workers, imported and asked for a page before the fork",
        apps={"wsgi": "mysite.wsgi:application"},
        workers=4,
        is_preloaded=True,
        is_warmed=True,
    )
)
