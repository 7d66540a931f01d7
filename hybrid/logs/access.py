"""The access log: one line per request, formatted at once and written in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Protocol

from hybrid.logs.atoms import LoggedRequest, compile_format

BATCH_BYTES = 64 * 1024

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, data: bytes) -> None: ...


class AccessLog:
    """Formats and collects lines; `flush()` writes them, and its owner calls that every few hundred milliseconds.

    A worker killed outright loses what it has not flushed. Safe to call from several threads.
    """

    __slots__ = (
        "_lines",
        "_lock",
        "_render",
        "_second",
        "_sink",
        "_size",
        "_stamp",
        "needs_environ",
        "needs_response_headers",
    )

    def __init__(self, access_log_format: str, sink: Sink) -> None:
        compiled = compile_format(access_log_format)
        self._render = compiled.render
        self.needs_response_headers = compiled.needs_response_headers
        self.needs_environ = compiled.needs_environ
        self._sink = sink
        self._lines: list[str] = []
        self._size = 0
        self._second = -1
        self._stamp = ""
        self._lock = threading.Lock()

    def log(
        self,
        request: LoggedRequest,
        status: int,
        response_bytes: int,
        duration_s: float,
        client: str,
        response_headers: list[tuple[bytes, bytes]] | None = None,
        environ: Mapping[str, object] | None = None,
    ) -> None:
        """Note one request. `response_headers` and `environ` matter only where `needs_...` says so."""
        second = int(time.time())
        if second != self._second:
            self._stamp = stamp(time.localtime(second))
            self._second = second
        line = self._render(request, status, response_bytes, duration_s, client, response_headers, environ, self._stamp)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if not self._lines:
            return
        with self._lock:
            # Another thread may append meanwhile, at the end: what is taken out is what was there.
            count = len(self._lines)
            batch = "".join(self._lines[:count])
            del self._lines[:count]
            self._size = 0
        self._sink.write(batch.encode("utf-8", "backslashreplace"))


def stamp(when: time.struct_time) -> str:
    """The time as the common log format has it, in no language but English: [10/Oct/2000:13:55:36 -0700]."""
    sign, offset = ("-", -when.tm_gmtoff) if when.tm_gmtoff < 0 else ("+", when.tm_gmtoff)
    date = f"{when.tm_mday:02}/{_MONTHS[when.tm_mon - 1]}/{when.tm_year}"
    clock = f"{when.tm_hour:02}:{when.tm_min:02}:{when.tm_sec:02}"
    return f"[{date}:{clock} {sign}{offset // 3600:02}{offset % 3600 // 60:02}]"
