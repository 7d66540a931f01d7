"""How long until a worker that was killed is replaced, and until a reload serves the new code.

Both from the signal to the first answer of another process. The application takes half a second to import, as a
real one does. Servers that keep serving meanwhile do not make anybody wait that long.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from dataclasses import dataclass

from benchmarks.process import Running, ServerFailed
from benchmarks.questioning import Bench, Question, Sample
from benchmarks.servers import Server

LIMIT_S = 20.0
_ASK_AGAIN_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementQuestion(Question):
    columns = {"until_ms": "until the next process answers ms", "unanswered": "requests unanswered"}
    is_reload: bool
    is_preloaded: bool = False

    def measure(self, bench: Bench, server: Server, app: str) -> Sample:
        if not server.reload_signal:
            raise ServerFailed("nothing in it replaces a worker on a signal" if self.is_reload else "no supervisor")
        if self.is_preloaded:
            if not server.preload:
                raise ServerFailed("it has no option to import the application before the fork")
            server = server.with_options(server.preload)
        with bench.start(server, app) as up:
            old = _who(up)
            if old is None or old == up.session:
                raise ServerFailed("the process that was started answers itself: nobody would replace it")
            began = time.monotonic()
            if self.is_reload:
                os.kill(up.session, getattr(signal, server.reload_signal))
            else:
                os.kill(old, signal.SIGKILL)
            unanswered = 0
            while time.monotonic() - began < LIMIT_S:
                answered_by = _who(up)
                if answered_by is None:
                    unanswered += 1
                elif answered_by != old:
                    return {"until_ms": (time.monotonic() - began) * 1000, "unanswered": unanswered}
                time.sleep(_ASK_AGAIN_S)
        raise ServerFailed(f"no other process answered within {LIMIT_S:.0f} s")


def _who(up: Running) -> int | None:
    """The pid of the process that answers; None if none does. A request that waits is no failure."""
    connection = up.connect(timeout=LIMIT_S)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return int(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


_APPS = {"wsgi": "slow_import:wsgi", "asgi": "slow_import:asgi"}

QUESTIONS = [
    ReplacementQuestion(
        name="replacement", title="A worker is killed: until another answers", apps=_APPS, is_reload=False
    ),
    ReplacementQuestion(
        name="replacement_preload",
        title="A worker is killed, the application was imported before the fork: until another answers",
        apps=_APPS,
        is_reload=False,
        is_preloaded=True,
    ),
    ReplacementQuestion(name="reload", title="A reload: until the new code answers", apps=_APPS, is_reload=True),
]
