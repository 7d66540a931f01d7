"""Metrics by StatsD, under gunicorn's names, since dashboards have those.

Requests are collected and sent when the access log is flushed, a few times a second: counters summed, timers
one by one, many in a datagram. A metric that cannot be sent is lost; it never holds up a request.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping

from hybrid.errors import SettingsError
from hybrid.logs.access import AccessLog
from hybrid.logs.atoms import LoggedRequest

_DATAGRAM = 1400
"""Bytes that get through any network whole."""
_MOST_WAITING = 1000
_LEVELS = {logging.CRITICAL: "critical", logging.ERROR: "error", logging.WARNING: "warning"}
_TYPES = {"gauge": "g", "counter": "c", "histogram": "h", "timer": "ms"}


class Statsd:
    """A socket, and how a metric is written."""

    def __init__(self, host: str, prefix: str = "", tags: str = "") -> None:
        """`host` is "HOST:PORT" or "unix://PATH". Raises SettingsError for anything else, and for an unknown host."""
        self._address, family = _address(host)
        self._prefix = prefix.rstrip(".") + "." if prefix.strip(".") else ""
        self._tags = f"|#{tags}" if tags else ""
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def metric(self, name: str, value: float, kind: str) -> str:
        """One line; `kind` is c, ms, g or h."""
        return f"{self._prefix}{name}:{value:g}|{kind}{self._tags}"

    def send(self, *metrics: str) -> None:
        """As few datagrams as they fit in. Never raises and never waits."""
        batch = ""
        for metric in metrics:
            if batch and len(batch) + len(metric) >= _DATAGRAM:
                self._send(batch)
                batch = ""
            batch = f"{batch}\n{metric}" if batch else metric
        if batch:
            self._send(batch)

    def _send(self, text: str) -> None:
        try:
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
        except OSError:  # nobody there, or the buffer is full
            pass

    def close(self) -> None:
        self._socket.close()


def _address(host: str) -> tuple[str | tuple[str, int], int]:
    if host.startswith("unix://"):
        return host.removeprefix("unix://"), socket.AF_UNIX
    name, _, port = host.removeprefix("udp://").rpartition(":")
    if not name or not port.isdigit():
        raise SettingsError(f"setting statsd_host: found {host!r}, expected HOST:PORT or unix://PATH")
    try:
        family, _, _, _, address = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise SettingsError(f"setting statsd_host: cannot resolve {name!r}: {error.strerror}") from error
    return (str(address[0]), int(address[1])), family


class StatsdAccess(AccessLog):
    """Counts requests on their way to the access log, which there need not be."""

    __slots__ = ("_codes", "_guard", "_inner", "_statsd", "_timers")

    def __init__(self, statsd: Statsd, inner: AccessLog | None) -> None:
        self._statsd = statsd
        self._inner = inner
        self._codes: dict[int, int] = {}
        self._timers: list[float] = []
        self._guard = threading.Lock()
        self.needs_environ = inner is not None and inner.needs_environ
        self.needs_response_headers = inner is not None and inner.needs_response_headers

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
        with self._guard:
            self._codes[status] = self._codes.get(status, 0) + 1
            self._timers.append(duration_s)
        if len(self._timers) >= _MOST_WAITING:
            self._flush_metrics()
        if self._inner is not None:
            self._inner.log(request, status, response_bytes, duration_s, client, response_headers, environ)

    def flush(self) -> None:
        if self._timers:
            self._flush_metrics()
        if self._inner is not None:
            self._inner.flush()

    def _flush_metrics(self) -> None:
        with self._guard:
            codes, self._codes = self._codes, {}
            timers, self._timers = self._timers, []
        metric = self._statsd.metric
        self._statsd.send(
            metric("gunicorn.requests", len(timers), "c"),
            *(metric(f"gunicorn.request.status.{status}", count, "c") for status, count in codes.items()),
            *(metric("gunicorn.request.duration", round(seconds * 1000, 3), "ms") for seconds in timers),
        )


class StatsdHandler(logging.Handler):
    """Counts the server's messages by level, and sends metrics that come as `extra` of a message.

    `log.info("", extra={"metric": "name", "value": 3, "mtype": "gauge"})` is gunicorn's way to send one.
    """

    def __init__(self, statsd: Statsd) -> None:
        super().__init__()
        self._statsd = statsd

    def emit(self, record: logging.LogRecord) -> None:
        metrics = []
        name = "exception" if record.exc_info else _LEVELS.get(record.levelno)
        if name is not None:
            metrics.append(self._statsd.metric(f"gunicorn.log.{name}", 1, "c"))
        fields = vars(record)
        kind = _TYPES.get(str(fields.get("mtype", "")))
        if kind is not None and isinstance(fields.get("value"), (int, float)):
            metrics.append(self._statsd.metric(str(fields.get("metric")), fields["value"], kind))
        self._statsd.send(*metrics)


def has_text(record: logging.LogRecord) -> bool:
    """A filter for the other handlers: a message that only carries a metric is nothing to print."""
    return bool(record.msg)
