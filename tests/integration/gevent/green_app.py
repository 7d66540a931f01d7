"""The application behind the tests of the gevent worker: each path is one thing that only greenlets make possible."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import monkey

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]

PATCHED_AT_IMPORT = monkey.is_module_patched("socket") and monkey.is_module_patched("threading")
_all_here = threading.Barrier(int(os.environ.get("GUESTS", "1")))
_mine = threading.local()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Witness:
    """Says when it goes."""

    def __init__(self) -> None:
        self.requests = 0

    def __del__(self) -> None:
        say(f"gone after {self.requests}")


def patched(environ: Environ) -> str:
    return str(PATCHED_AT_IMPORT)


def meet(environ: Environ) -> str:
    """Answers when as many requests are here as are expected."""
    _all_here.wait(20)
    return "all here"


def count(environ: Environ) -> str:
    """How many requests this greenlet has served."""
    if not hasattr(_mine, "witness"):
        _mine.witness = Witness()
    _mine.witness.requests += 1
    return str(_mine.witness.requests)


def leave_timeout(environ: Environ) -> str:
    """Forgets a time-out that will strike this greenlet when the request is long over."""
    gevent.Timeout.start_new(0.01)
    gevent.spawn_later(0.05, say, "the time-out is over")
    return "left"


def kill_idle(environ: Environ) -> str:
    """Kills every greenlet but this one."""
    import gc

    others = [one for one in gc.get_objects() if isinstance(one, gevent.Greenlet) and one is not gevent.getcurrent()]
    gevent.killall(others, timeout=5)
    return "killed"


def connections(environ: Environ) -> str:
    """How many connections the worker has in its memory."""
    import gc

    return str(sum(type(one).__name__ == "GreenConnection" for one in gc.get_objects()))


def kill_self(environ: Environ) -> str:
    gevent.getcurrent().kill()
    return "alive"


def block(environ: Environ) -> str:
    """Holds up the hub, by a wait that is not patched."""
    say("blocking")
    monkey.get_original("time", "sleep")(600)
    return "awake"


def hello(environ: Environ) -> str:
    return "hello"


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    views: dict[str, Any] = globals()
    body = views[environ["PATH_INFO"].strip("/") or "hello"](environ).encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
