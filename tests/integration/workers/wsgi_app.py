"""The application behind the tests of the WSGI workers: each path is one thing an application may do."""

from __future__ import annotations

import contextvars
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]

TEXT = [("Content-Type", "text/plain")]
_request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="nobody's")
_large = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the worker lives
_large.write(os.urandom(1 << 20) * 24)
_large.flush()


if "FULL_DISK" in os.environ:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # of files; a log that is a pipe is none


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"hello"]


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", TEXT)
    return [body]


def plain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """So many bytes in one piece."""
    start_response("200 OK", TEXT)
    return [b"x" * int(environ["QUERY_STRING"])]


def length(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads like a framework that spools an upload."""
    total = 0
    while block := environ["wsgi.input"].read(65536):
        total += len(block)
    start_response("200 OK", TEXT)
    return [b"%d" % total]


def counted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads like Django, which knows of no body without a length."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", TEXT)
    return [b"%d" % len(body)]


def lines(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"|".join(environ["wsgi.input"])]


def refuse(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers without reading the body."""
    start_response("413 Content Too Large", TEXT)
    return [b"too much"]


def digest(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    import hashlib

    found = hashlib.sha256()
    while piece := environ["wsgi.input"].read(50_000):
        found.update(piece)
    start_response("200 OK", TEXT)
    return [found.hexdigest().encode()]


def swallow(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells what reading the body came to."""
    try:
        environ["wsgi.input"].read()
        say("body complete")
    except OSError as error:
        say(f"body broken: {error}")
    start_response("200 OK", TEXT)
    return [b"done"]


def pass_on(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    raise AssertionError("the body should not have been complete")


class Stream:
    """Chunks without end, or `count` of them; says when it is closed, and in which thread and context."""

    def __init__(self, count: float, start: Callable[[], object]) -> None:
        self._left = count
        self._start = start
        self._thread = threading.get_ident()
        self._name = _request.get()
        self._given = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if threading.get_ident() != self._thread or _request.get() != self._name:
            say("stream moved")
        if self._left <= 0:
            raise StopIteration
        self._left -= 1
        self._given += 1
        if self._given == 1:
            self._start()
        return b"x" * 16384

    def close(self) -> None:
        same = threading.get_ident() == self._thread and _request.get() == self._name
        say(f"stream {self._name} closed given={self._given} {'at home' if same else 'elsewhere'}")


def stream(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    _request.set(environ["QUERY_STRING"])
    return Stream(float(environ["QUERY_STRING"].partition("=")[2] or "inf"), lambda: start_response("200 OK", TEXT))


def write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    push = start_response("200 OK", TEXT)
    for _ in range(1000):
        push(b"y" * 16384)
    return [b"z"]


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    handle = Path(f"/proc/self/fd/{_large.fileno()}").open("rb")  # noqa: SIM115 - the server closes it
    handle.seek(int(environ["QUERY_STRING"] or 0))
    start_response("200 OK", TEXT)
    response: Iterable[bytes] = environ["wsgi.file_wrapper"](handle)
    return response


def checksum(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    import hashlib

    _large.seek(int(environ["QUERY_STRING"] or 0))
    start_response("200 OK", TEXT)
    return [hashlib.sha256(_large.read()).hexdigest().encode()]


def fail(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise ValueError("as it should")


def fail_late(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    yield b"begun"
    raise ValueError("too late")


def leave(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise SystemExit(7)


def errors(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.errors"].write("said by the application\n")
    environ["wsgi.errors"].flush()
    return hello(environ, start_response)


def hints(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    return hello(environ, start_response)


def nap(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    say("napping")
    time.sleep(float(environ["QUERY_STRING"]))
    return hello(environ, start_response)


def context(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    before = _request.get()
    _request.set("somebody's")
    start_response("200 OK", TEXT)
    return [before.encode()]


def facts(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    keys = ("wsgi.multithread", "wsgi.multiprocess", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")
    return [" ".join(f"{key}={environ[key]}" for key in keys).encode()]


def judge(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return validator(_judged)(environ, start_response)


def _judged(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(100)
    start_response("200 OK", TEXT)
    return [b"judged " + body]


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    views: dict[str, Any] = globals()
    result: Iterable[bytes] = views[environ["PATH_INFO"].strip("/") or "hello"](environ, start_response)
    return result
