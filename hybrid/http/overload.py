"""Which requests are answered 503 because the worker has too much to do: one rule for every worker class.

Two limits. `--limit-concurrency` is how many requests may be in the application; `--queue-timeout` is how long a
request may have waited for it. A request that waited longer than its client will is better answered at once than
worked on for nobody: else an overloaded server does nothing but work that nobody waits for.

Paths of `--health-path` are exempt, so that a busy server is not taken for a dead one. `--ready-path` is answered by
the server itself, for load balancers: whether to send more. Pure; what was measured is passed in.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from hybrid.http.request import Request
from hybrid.settings import Settings

RETRY_AFTER_S: Final = 1
_NEVER: Final = 1 << 62
_LONGEST_CLAIM_S: Final = 3600.0
"""Nobody waits longer: such a claim is of a clock that is wrong, or of no clock."""
_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Seconds, milli-, micro- or nanoseconds since 1970: below these numbers. Proxies do not agree on one."""


class Verdict(NamedTuple):
    """What a request is answered without the application."""

    status: int
    text: str
    is_shed: bool = True
    """The client may come back later; else it has asked for nothing but this."""


class Load(NamedTuple):
    """How a worker and its siblings are doing."""

    active: int
    """Requests in the application."""
    is_stopping: bool = False
    """This worker accepts no more requests than those that are on their way."""
    has_sibling: bool = False
    """Another worker of the pool is ready."""
    sibling_has_room: bool = False


class Overload:
    """The settings of the subject; one per worker."""

    def __init__(self, settings: Settings) -> None:
        self.queue_timeout = settings.queue_timeout or inf
        self.limit = settings.limit_concurrency or _NEVER
        self.ready_path = settings.ready_path.encode() or None
        self._exempt = frozenset(path.encode() for path in settings.health_path)
        self.is_needed = bool(settings.queue_timeout or settings.limit_concurrency or settings.ready_path)
        """False: no request is ever judged."""

    def asks_readiness(self, request: Request) -> bool:
        """It is for the server itself to answer."""
        return request.path == self.ready_path and request.method in ("GET", "HEAD")

    def judge(self, request: Request, active: int, waited: float) -> Verdict | None:
        """None if the application shall have it. `waited`: seconds since the request came."""
        if active < self.limit and waited <= self.queue_timeout:
            return None
        if request.path in self._exempt:
            return None
        if active >= self.limit:
            return Verdict(503, "too many requests at once")
        return Verdict(503, "the request has waited too long")

    def readiness(self, load: Load) -> Verdict:
        """Whether the server wants more requests. What only this worker cannot do, a sibling can."""
        if load.is_stopping and not load.has_sibling:
            return Verdict(503, "stopping", is_shed=False)
        if load.active >= self.limit and not load.sibling_has_room:
            return Verdict(503, "overloaded", is_shed=False)
        return Verdict(200, "ready", is_shed=False)


def claimed_wait(value: bytes, epoch: float) -> float:
    """Seconds since the moment that an X-Request-Start field names; 0 if it names none that can be.

    `t=1700000000.123` (nginx), 1700000000123 (Heroku, in milliseconds), `t=1700000000123456` (Apache). `epoch` is the
    time of day. A moment in the future, which is another clock's, counts as now.
    """
    text = value.removeprefix(b"t=").strip()
    if not text.replace(b".", b"", 1).isdigit() or len(text) > 30:
        return 0.0
    number = float(text)
    for limit, unit in _UNITS:
        if number < limit:
            waited = epoch - number / unit
            return waited if 0.0 < waited <= _LONGEST_CLAIM_S else 0.0
    return 0.0
