"""How the arbiter's log lines about children read. Pure.

They begin with gunicorn's words, because log pipelines already look for them, and go on with fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from hybrid.arbiter.actions import Level
from hybrid.arbiter.converge import BOOT_TIMEOUT, TIMEOUT, fields
from hybrid.arbiter.state import Child, Stage
from hybrid.contract.scoreboard import InFlight

_SHOWN = 8


def silence(child: Child, silent_s: float, requests: Sequence[InFlight], now: float) -> str:
    """A child missed its deadline and will be aborted."""
    if child.stage is Stage.BOOTING:
        return f"WORKER BOOT TIMEOUT (pid:{child.pid}) {fields(child)} booting_s={silent_s:.1f}; see --boot-timeout"
    return f"WORKER TIMEOUT (pid:{child.pid}) {fields(child)} silent_s={silent_s:.1f}{_in_flight(requests, now)}"


def death(child: Child, code: int | None, signal: str, requests: Sequence[InFlight], now: float) -> tuple[Level, str]:
    """How a child ended: as told, by a signal of ours, by a signal from elsewhere, or by itself."""
    where = fields(child) + f" stage={child.stage.value}"
    if child.ready_at is not None:
        where += f" served_s={now - child.ready_at:.1f}"
    if signal:
        mine = child.sent is not None and signal == child.sent.value
        if mine and signal == "SIGTERM" and child.ready_at is None:
            return Level.DEBUG, f"Worker (pid:{child.pid}) was sent {signal}! cause={child.why!r} {where}"
        cause = f" cause={child.why!r}" if mine or child.why in (TIMEOUT, BOOT_TIMEOUT) else ""
        if not cause and signal == "SIGKILL":
            cause = " Perhaps out of memory?"
        return Level.ERROR, f"Worker (pid:{child.pid}) was sent {signal}!{cause} {where}{_in_flight(requests, now)}"
    text = f"Worker (pid:{child.pid}) exited with code {code}."
    if child.sent is not None and not code:
        return Level.DEBUG, f"{text} {where}"
    if child.has_failed:  # it has said why already
        return Level.INFO, f"{text} {where}"
    level = Level.ERROR if code else Level.WARNING
    return level, f"{text} {where}{_in_flight(requests, now)}"


def _in_flight(requests: Sequence[InFlight], now: float) -> str:
    """The requests that it had begun and not ended, oldest first."""
    if not requests:
        return ""
    shown = ", ".join(_request(request, now) for request in requests[:_SHOWN])
    more = f" and {len(requests) - _SHOWN} more" if len(requests) > _SHOWN else ""
    return f" in_flight=[{shown}{more}]"


def _request(request: InFlight, now: float) -> str:
    target = "".join(char if char.isprintable() else "?" for char in request.target)
    return f"{request.method} {target} from {request.client or '-'} for {max(0.0, now - request.started):.1f} s"
