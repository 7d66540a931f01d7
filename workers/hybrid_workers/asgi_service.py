"""What all connections of one asgi worker share: the application, the parser, limits, counters, logs.

Complete before the first connection; the event loop's thread is the only one that touches it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import sys
from collections.abc import Coroutine
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol

from hybrid.asgi import App, Connection, Cycle, RequestCycle, Scopes
from hybrid.contract import Retire, WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.hooks import RequestHooks
from hybrid.http.deadlines import Deadlines
from hybrid.http.limits import Limits
from hybrid.http.proxies import ProxyRules
from hybrid.http.request import Request
from hybrid.http1.back_ends import field_parser
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes, Response
from hybrid.logs import AccessLog
from hybrid_workers.admission import Admissions
from hybrid_workers.asgi_outbox import Outbox
from hybrid_workers.asgi_phase import last_patience, patience
from hybrid_workers.asgi_turn import Turn
from hybrid_workers.asgi_turnstile import Turnstile
from hybrid_workers.balance import Balance
from hybrid_workers.bridging import Bridge, BridgeCycle
from hybrid_workers.deadline import BEAT_AHEAD_S, DeadlineLog
from hybrid_workers.shedding import Shedder
from hybrid_workers.stacks import frames_of, frames_of_awaitable

if TYPE_CHECKING:
    from hybrid_workers.asgi_connection import HttpConnection
    from hybrid_workers.asgi_crossroads import AsgiCrossroads
    from hybrid_workers.asgi_hooks import HookedBridge
    from hybrid_workers.asgi_ledger import AsgiLedger
    from hybrid_workers.asgi_websocket import WebSocketSession


_NEVER: Final = 1 << 62
_Task = asyncio.Task
_IS_EAGER = sys.version_info >= (3, 12)
"""A task may take its first step when it is made."""


class Call(Protocol):
    """One call of the application: a request's cycle, or a WebSocket's session."""

    request: Request
    response: Response
    task: asyncio.Task[None] | None
    is_endless: bool
    """It ends when the client leaves, not by itself."""

    def leave(self) -> None:
        """Tell whoever listens that the client is, or should be, gone."""

    def cancel(self) -> None:
        """End it: the worker stops."""


class NewCycle(Protocol):
    """Makes the cycle of one request."""

    def __call__(
        self, request: Request, prefixes: Prefixes, connection: Connection, has_body: bool, /
    ) -> RequestCycle: ...


class Service:
    """One per worker."""

    __slots__ = (
        "accepted",
        "access",
        "admissions",
        "answered",
        "app",
        "balance",
        "channel",
        "connections",
        "context",
        "crossroads",
        "deadline",
        "deadlines",
        "errors",
        "is_closing_each",
        "joins_buffers",
        "ledger",
        "limits",
        "log",
        "loop",
        "new_cycle",
        "on_connection_closed",
        "outbox",
        "parser",
        "patience",
        "prefixes",
        "retires_at",
        "row",
        "rules",
        "running",
        "scopes",
        "settings",
        "shedder",
        "speaks_websocket",
        "stuck",
        "turn",
        "turnstile",
    )

    def __init__(
        self,
        context: WorkerContext,
        app: App | Bridge,
        loop: asyncio.AbstractEventLoop,
        *,
        app_context: contextvars.Context,
        state: dict[str, Any],
        access: AccessLog | None,
        shedder: Shedder | None = None,
    ) -> None:
        """`app_context` is what each request's own context is copied from, `state` its namespace likewise."""
        self.settings = settings = context.settings
        self.loop = loop
        self.context = app_context
        self.log: logging.Logger = context.log
        self.row = context.row
        self.access = access
        self.limits = Limits.from_settings(settings)
        self.deadlines = Deadlines.from_settings(settings)
        self.deadline = DeadlineLog(context)
        self.patience = patience(self.deadlines)
        self.shedder = shedder
        self.parser = HeadParser(field_parser(settings.http), self.limits)
        self.prefixes = Prefixes.from_settings(settings)
        self.rules = ProxyRules(settings, context.log.warning)
        self.admissions = Admissions(context, self.rules)
        self.balance = Balance(context) if context.pool_size > 1 else None
        self.scopes: Scopes | Bridge | HookedBridge
        self.new_cycle: NewCycle
        self.speaks_websocket = not isinstance(app, Bridge)
        if isinstance(app, Bridge):
            self.scopes = app
            self.new_cycle = app.cycle
        else:
            self.app = app
            self.scopes = Scopes(state=state, is_stripped=settings.root_path_mode == "stripped")
            self.new_cycle = partial(Cycle, app)
        if context.hooks is not None:
            self._call_hooks(RequestHooks.of(settings.hooks, context.hooks.worker), app)
        self.channel = context.channel
        self.retires_at = _NEVER
        if settings.max_requests:
            self.retires_at = settings.max_requests + random.randint(0, settings.max_requests_jitter)
        self.joins_buffers = type(loop).__module__.startswith("asyncio.")
        """asyncio's writelines() has no flow control in 3.12.0-3.12.8 and 3.13.0-3.13.1 (CVE-2024-12254)."""
        self.outbox = Outbox(loop, app_context)
        self.turn: Turn | None = None
        """Where requests that come together are served together, if they are; the worker says it."""
        self.turnstile = Turnstile(loop)
        self.connections: set[HttpConnection | WebSocketSession] = set()
        self.running: set[Call] = set()
        """Calls of the application that have not returned. Holds the only strong references to their tasks."""
        self.is_closing_each = not self.deadlines.keepalive
        """No connection is kept for another request: the worker stops, or --keep-alive is 0."""
        self.stuck: set[Call] = set()
        """Those that could not be ended: nobody waits for them."""
        self.accepted = 0
        self.answered = 0
        self.errors = 0
        self.on_connection_closed = _nothing
        self.ledger: AsgiLedger | None = None
        if context.crossing is not None and context.crossing.traffic is not None:
            from hybrid_workers.asgi_ledger import AsgiLedger

            self.ledger = AsgiLedger.of(context)
        self.crossroads: AsgiCrossroads | None = None
        """Where connections pass to other workers and come from them."""
        if context.crossing is not None and context.tls is None:
            from hybrid_workers.asgi_crossroads import AsgiCrossroads

            self.crossroads = AsgiCrossroads(self, context.crossing, context)

    def _call_hooks(self, hooks: RequestHooks | None, app: App | Bridge) -> None:
        """Around each request, where the settings have hooks for that."""
        if hooks is None:
            return
        from hybrid_workers.asgi_hooks import HookedAccess, HookedBridge, HookedCycles

        self.access = HookedAccess(hooks, self.access)
        if isinstance(app, Bridge):
            self.scopes = HookedBridge(app, hooks)
        else:
            self.new_cycle = HookedCycles(app, hooks)

    def call(self, cycle: Call, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start the application's call in a context of its own.

        Where a turn makes calls, its first step runs with theirs; else, from Python 3.12 on, here and now. Either way
        an application that never waits is done without a further turn of the loop. Only this task is eager; tasks that
        the application makes are what they always are.
        """
        self.running.add(cycle)
        turn = self.turn
        if turn is not None and turn.is_calling:
            turn.begin(cycle, coroutine)
        elif _IS_EAGER:
            cycle.task = _Task(coroutine, loop=self.loop, eager_start=True, context=self.context.copy())  # type: ignore[call-arg]
        else:  # a name that is given need not be made
            cycle.task = _Task(coroutine, loop=self.loop, name="call", context=self.context.copy())

    def wind_up(self) -> None:
        """The worker stops: every connection ends with the request that it has or is about to bring."""
        self.is_closing_each = True
        self.patience = last_patience(self.deadlines)
        for connection in tuple(self.connections):
            connection.stop()

    def publish(self) -> None:
        """Write the counters into the scoreboard."""
        words = self.row.words
        words[Word.REQUESTS] = self.answered
        words[Word.ACTIVE] = len(self.running)
        words[Word.CONNECTIONS] = len(self.connections)
        words[Word.ACCEPTED] = self.accepted
        words[Word.ERRORS] = self.errors

    def refresh(self, now: float, *, is_new_second: bool) -> None:
        """What is due a few times a second: proof of life, counters, logs; once a second the Date."""
        self.row.beat(now + BEAT_AHEAD_S)
        self.publish()
        if is_new_second:
            self.prefixes.refresh(None)
        if self.access is not None:
            self.access.flush()
        if self.answered >= self.retires_at:
            self.retires_at = _NEVER
            self.log.info("Autorestarting worker after current request. requests=%d", self.answered)
            self.channel.send(Retire("max_requests"))


def frames_of_cycle(cycle: RequestCycle) -> list[FrameType]:
    """Where the application is with a request: in its thread, or where its task waits."""
    if isinstance(cycle, BridgeCycle):
        return [] if cycle.target is None else frames_of(sys._current_frames().get(cycle.target.ident))
    return [] if cycle.task is None else frames_of_awaitable(cycle.task.get_coro())


def _nothing() -> None:
    """Until the worker says what a closed connection means."""
