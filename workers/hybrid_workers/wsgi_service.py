"""What all connections of one WSGI worker share: the application, the parser, limits, counters, logs."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, cast

from hybrid.contract import Retire, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.hooks import RequestHooks, ResponseView
from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.proxies import ProxyRules
from hybrid.http.request import Request
from hybrid.http1.back_ends import field_parser
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response
from hybrid.logs import open_access_log
from hybrid.logs.server import OutputHandler
from hybrid.wsgi import App, Environ, ErrorsStream
from hybrid.wsgi.environ import Environs
from hybrid_workers.admission import Admissions
from hybrid_workers.deadline import BEAT_AHEAD_S
from hybrid_workers.shedding import Shedder
from hybrid_workers.spool import Spooling

if TYPE_CHECKING:
    from hybrid_workers.call import Call
    from hybrid_workers.connection import Connection
    from hybrid_workers.wsgi_ledger import WsgiLedger

_NEVER: Final = 1 << 62
GONE: Final[Environ] = {}
"""In the place of an environ that is let go of."""


class WsgiService:
    """One per worker. Everything here is set before the first connection, except `keeps_alive`."""

    def __init__(self, context: WorkerContext, *, is_multithread: bool, has_few_threads: bool = True) -> None:
        settings = context.settings
        self.context = context
        self.log: logging.Logger = context.log
        self.row = context.row
        self.app: App = cast("App", context.app)
        self.limits = Limits.from_settings(settings)
        self.deadlines = Deadlines.from_settings(settings)
        self.parser = HeadParser(field_parser(settings.http), self.limits)
        self.prefixes = Prefixes.from_settings(settings)
        self.rules = ProxyRules(settings, context.log.warning, context.log.info)
        self.admissions = Admissions(context, self.rules)
        self.shedder = Shedder.of(context)
        self.ledger: WsgiLedger | None = None
        if context.crossing is not None and context.crossing.traffic is not None:
            from hybrid_workers.wsgi_ledger import WsgiLedger

            self.ledger = WsgiLedger.of(context)
        self.environs = Environs(
            errors=ErrorsStream(raw_sink(context.log)),
            is_multithread=is_multithread,
            is_multiprocess=context.pool_size > 1,
            root_path=settings.root_path.rstrip("/"),
            is_root_stripped=settings.root_path_mode == "stripped",
        )
        self.access = open_access_log(settings.accesslog, settings.access_log_format)
        self.body_buffer = settings.body_buffer or 1
        self.spooling = Spooling(settings, context.log, has_few_threads=has_few_threads)
        self.sends_files = settings.sendfile and context.tls is None
        self.keeps_alive = self.deadlines.keepalive > 0
        """Connections may serve another request: not when --keep-alive is 0, nor while the worker stops."""
        self.beats_with_pieces = False
        """The loop does not come round while an application streams, so each piece is the proof of life."""
        self.cut_streams_at = inf
        """Where `beats_with_pieces`, a call ends its own event stream with the first piece after this."""
        self.requests = 0
        self.errors = 0
        """Answered with 5xx."""
        self.request_hooks = RequestHooks.of(settings.hooks, context.hooks.worker if context.hooks else None)
        self.keeps_environ = self.request_hooks is not None or (self.access is not None and self.access.needs_environ)
        """Somebody wants to see an environ once the application is done with it."""
        self.is_asked_before = self.shedder is not None or self.request_hooks is not None
        """Something is to be done before the application is called."""
        self._retires_at = _NEVER
        if settings.max_requests:
            self._retires_at = settings.max_requests + random.randint(0, settings.max_requests_jitter)
        self.is_observed = (
            self.ledger is not None
            or self.request_hooks is not None
            or self.access is not None
            or self._retires_at < _NEVER
        )
        """Somebody wants to know of every request, not only of those answered with 5xx."""

    def observe(self, call: Call) -> None:
        """A call is over of which somebody wants to know: log it, and ask for a successor if it was the last wanted."""
        if call.status >= 500:
            self.errors += 1
        if self.ledger is not None:
            self.ledger.account(call)
        if self.request_hooks is not None or self.access is not None:
            self._tell(call)
        if self.requests >= self._retires_at:
            self._retires_at = _NEVER
            self.log.info("Autorestarting worker after current request. requests=%d", self.requests)
            self.context.channel.send(Retire("max_requests"))

    def _tell(self, call: Call) -> None:
        if self.access is not None:
            peer = call.request.client
            self.access.log(
                call.request,
                call.status,
                call.bytes_sent,
                call.seconds,
                peer[0] if peer else "",
                call.header_bytes() if self.access.needs_response_headers else None,
                call.environ if self.access.needs_environ else None,
            )
        if self.request_hooks is not None:
            view = ResponseView(call.status, call.header_bytes(), call.bytes_sent, is_last=not call.keep_alive)
            self.request_hooks.after(call.request, call.environ, view)
        call.environ = GONE

    def account_without(self, request: Request, response: Response) -> None:
        """The same for an answer that the application had no part in."""
        self.requests += 1
        if response.status >= 500:
            self.errors += 1
        if self.access is not None:
            host = request.client[0] if request.client else ""
            self.access.log(request, response.status, response.bytes_sent, 0.0, host, [], {})

    def tick(self, now: float, *, is_new_second: bool) -> None:
        """What is due a few times a second: the proof of life, counters, the access log; once a second the Date."""
        self.row.beat(now + BEAT_AHEAD_S)
        self.publish()
        if self.access is not None:
            self.access.flush()
        if is_new_second:
            self.prefixes.refresh(None)

    def publish(self) -> None:
        """Write the counters into the scoreboard: not at every request, where it would cost more than counting."""
        self.row.words[Word.REQUESTS] = self.requests
        self.row.words[Word.ERRORS] = self.errors

    def log_failure(self, error: BaseException, request: Request, connection: Connection) -> None:
        """The application raised: once, with its traceback and which request it was."""
        self.log.error(
            "Error handling request %s method=%s client=%s",
            str(request.target, "latin-1")[:400],
            request.method,
            connection.peer.label,
            exc_info=(type(error), error, error.__traceback__),
        )


def raw_sink(log: logging.Logger) -> Callable[[bytes], object]:
    """Where the log goes, for text that is no log record."""
    for handler in log.handlers:
        if isinstance(handler, OutputHandler):
            return handler.output.write
    return _to_stderr


def _to_stderr(text: bytes) -> None:
    sys.stderr.write(text.decode("utf-8", "replace"))
    sys.stderr.flush()
