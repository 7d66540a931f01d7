"""Answering 503, and the readiness path, in place of the application: the rule is `hybrid.http.overload`.

How long a request has waited is asked of the kernel, which notes when it last received something on a connection:
so the time in the listener's backlog counts, and that in the socket while the worker was busy with others. Where it
does not tell (unix sockets, other systems than Linux) the worker's own knowledge must do: since when it had the
bytes before it.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable
from math import inf
from time import monotonic, time
from typing import Any, Final

from hybrid.contract import WorkerContext
from hybrid.contract.scoreboard import Word
from hybrid.http.overload import RETRY_AFTER_S, Load, Overload, Verdict, claimed_wait
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http.status import phrase
from hybrid.http1.response import Response
from hybrid_workers.balance import Balance
from hybrid_workers.drain import is_last

TELL_S: Final = 10.0
"""How often the log says that requests are being shed."""

_DRAINING: Final = 3
"""See hybrid_workers.child.Stage."""
_TCP_INFO: Final = socket.TCP_INFO if sys.platform == "linux" else None
_LAST_DATA_RECEIVED: Final = 52
_last_data_received = struct.Struct("@I").unpack_from
_PLAIN: Final = (b"content-type", b"text/plain; charset=utf-8")
_UNCACHED: Final = (b"cache-control", b"no-store")
_RETRY: Final = (b"retry-after", b"%d" % RETRY_AFTER_S)


class Shedder:
    """One per worker, and only where a setting asks for it: see `of()`."""

    def __init__(self, context: WorkerContext) -> None:
        self.rules = Overload(context.settings)
        self.limit = self.rules.limit
        self._context = context
        self._balance = Balance(context)
        self._told_at = -inf
        self._untold = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, context: WorkerContext) -> Shedder | None:
        shedder = cls(context)
        return shedder if shedder.rules.is_needed else None

    def judge(self, request: Request, peer: Peer, sock: Any, active: int, seen: float) -> Verdict | None:
        """What to answer in place of the application; None: call it.

        `seen` is the moment since which the worker knows of the request. Notes in the request when it came.
        """
        rules = self.rules
        if rules.asks_readiness(request):
            return rules.readiness(self._load(active))
        waited = 0.0
        if rules.queue_timeout < inf:
            now = monotonic()
            waited = max(now - seen, kernel_wait(sock))
            request.arrived = now - waited
            if peer.is_trusted:
                claim = request.header(b"x-request-start")
                if claim is not None:
                    waited = max(waited, claimed_wait(claim, time()))
                    request.arrived = now - waited
        verdict = rules.judge(request, active, waited)
        if verdict is not None:
            self._tell(request, verdict, waited, active)
        return verdict

    def is_late(self, request: Request) -> Verdict | None:
        """As `judge()`, for a request that has waited for a thread since."""
        if self.rules.queue_timeout == inf:
            return None
        waited = monotonic() - request.arrived
        verdict = self.rules.judge(request, -1, waited)
        if verdict is not None:
            self._tell(request, verdict, waited, 0)
        return verdict

    def _load(self, active: int) -> Load:
        context = self._context
        return Load(
            active=active,
            is_stopping=context.row.words[Word.STAGE] == _DRAINING,
            has_sibling=not is_last(context),
            sibling_has_room=self._balance.has_room(monotonic()),
        )

    def _tell(self, request: Request, verdict: Verdict, waited: float, active: int) -> None:
        """Count it; in the log once in a while, and how often since."""
        now = monotonic()
        with self._lock:
            self._context.row.words[Word.SHED] += 1
            self._untold += 1
            if now - self._told_at < TELL_S:
                return
            self._told_at = now
            count, self._untold = self._untold, 0
        rules = self.rules
        found = f"{waited:.2f} s, --queue-timeout {rules.queue_timeout:g}"
        if active >= rules.limit:
            found = f"{active} under way, --limit-concurrency {rules.limit}"
        self._context.log.warning(
            "Overload: %s (%s); answering 503, to %d requests by now, last to %s %s",
            verdict.text,
            found,
            count,
            request.method,
            request.target.decode("latin-1")[:400],
        )


def kernel_wait(sock: Any) -> float:
    """For how long what was last received on this connection has been there; seconds, 0 if that is not known.

    Exact to some milliseconds. Costs about a microsecond.
    """
    getsockopt: Callable[[int, int, int], bytes] | None = getattr(sock, "getsockopt", None)
    if _TCP_INFO is None or getsockopt is None:
        return 0.0
    try:
        info = getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_RECEIVED + 4)
    except OSError:  # a unix socket; or closed, and then nobody waits
        return 0.0
    milliseconds: int = _last_data_received(info, _LAST_DATA_RECEIVED)[0]
    return milliseconds / 1000


def render(response: Response, verdict: Verdict) -> bytes:
    """The whole answer; whether the connection is kept is the response's own business."""
    headers = [_PLAIN, _UNCACHED, _RETRY] if verdict.status == 503 else [_PLAIN, _UNCACHED]
    response.start(verdict.status, headers)
    page = b"%d %b: %b\n" % (verdict.status, phrase(verdict.status), verdict.text.encode())
    return response.content(page, more=False)
