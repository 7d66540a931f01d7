"""`--preload-request`: requests before the fork, so that what it makes is made once and shared.

A framework does much at its first request: it imports the modules that URLs lead to, builds tables, compiles templates.
Workers that did so each for themselves would each have it in memory of their own. The requests never meet a
socket: the application is called as a worker calls it, in the process that the template is copied from.

What they open must not be in the copies, which would write to one connection all at once. So Django, which keeps
connections to databases, is asked to let go of them; `fork_audit` names the rest.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import Final, cast

import hybrid
from hybrid.contract import WorkerContext
from hybrid.http.limits import Limits
from hybrid.http.peer import Peer
from hybrid.http.proxies import ProxyRules, introduce
from hybrid.http.request import Request
from hybrid.http1.back_ends import field_parser
from hybrid.http1.head import HeadParser
from hybrid.http1.response import Prefixes
from hybrid.settings import Settings
from hybrid.wsgi import App, Environs, ErrorsStream, Exchange, Piece
from hybrid_workers.wsgi_service import raw_sink

TIMES: Final = 10
"""The interpreter rewrites the bytecode of functions that have been called about so often."""


def warm_up(context: WorkerContext) -> None:
    """Make the requests. What comes of the last is logged: it decides nothing."""
    target = context.settings.preload_request
    if context.interface != "wsgi":
        context.log.warning(
            "Preload: GET %s is not made: preload_request is for WSGI; an ASGI application needs the event loop of its"
            " worker. Import at the top of its module what its first request would",
            target,
        )
        return
    began = monotonic()
    status = 0
    try:
        for _ in range(TIMES):
            status = _ask(context, target)
            if status >= 400:
                break
    except Exception:
        context.log.exception("Preload: GET %s failed; the workers start all the same", target)
        return
    finally:
        _let_go()
    if status >= 400:
        context.log.warning("Preload: GET %s answered %d, expected a status below 400", target, status)
    else:
        context.log.info("Preload: GET %s answered %d after %.2f s", target, status, monotonic() - began)


def _ask(context: WorkerContext, target: str) -> int:
    """The status of the answer, which is read to its end. Raises what the application does."""
    settings = context.settings
    environs = Environs(
        errors=ErrorsStream(raw_sink(context.log)),
        is_multithread=False,
        is_multiprocess=context.pool_size > 1,
        root_path=settings.root_path.rstrip("/"),
        is_root_stripped=settings.root_path_mode == "stripped",
    )
    peer = Peer(("127.0.0.1", 0), ("127.0.0.1", 80), "https" if context.tls is not None else "http")
    request = _request(settings, target)
    introduce(request, peer, ProxyRules(settings, context.log.debug))
    exchange = Exchange(request, Prefixes.from_settings(settings), _swallow)
    try:
        exchange.open(cast("App", context.app), environs.of(request, environs.template(peer)))
        while not exchange.is_complete:
            exchange.advance()
    finally:
        exchange.close()
    return exchange.status


def _request(settings: Settings, target: str) -> Request:
    host = "localhost"
    if target.startswith("//"):
        host, _, path = target[2:].partition("/")
        target = "/" + path
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hybrid-preload/{hybrid.__version__}\r\n\r\n"
    return HeadParser(field_parser(settings.http), Limits.from_settings(settings)).parse(head.encode("ascii"))


def _let_go() -> None:
    django = sys.modules.get("django.db")
    if django is not None:
        django.connections.close_all()


def _swallow(piece: Piece) -> None:
    """The client that there is not takes everything."""
