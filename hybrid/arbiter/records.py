"""The record that every death of a worker leaves, and how it reads in the log. Pure.

Log lines begin with gunicorn's words, because log pipelines already look for them, and go on with fields. `class` says
whose doing it was:

    told            it was asked to go and went
    boot            it said that it cannot serve
    deadline        we ended it; `cause` names the deadline
    memory-limit    we ended it, for --max-worker-memory-hard
    out-of-memory   the kernel ended it: the cgroup's counter says so
    crash           a fault in C code, or abort()
    exit            the application or a worker class left by itself
    outside-signal  somebody else sent a signal
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hybrid.arbiter.actions import Level
from hybrid.arbiter.converge import BOOT_TIMEOUT, HARD_MEMORY, TIMEOUT, fields
from hybrid.arbiter.state import Child, Stage
from hybrid.contract.scoreboard import InFlight

_SHOWN = 8
_KEPT = 64
_CRASHES = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP"}


class Remains(NamedTuple):
    """What the shell found when it reaped a child."""

    requests: Sequence[InFlight] = ()
    stacks: str = ""
    """Of all Python threads, newest call first; "" if the process had no chance to write them."""
    peak_rss: int = 0
    """Bytes."""
    connections: int = 0
    """Of clients that it had accepted, those of the requests and the others: so many may have noticed."""
    was_oom: bool | None = None
    """Whether the out-of-memory killer did it; None where there is no counter."""


class Death(NamedTuple):
    """One record."""

    at: float
    kind: str
    level: Level
    text: str
    """The line for the log."""
    stacks: str
    facts: Mapping[str, object]

    def as_json(self, now: float) -> dict[str, object]:
        """For `hybrid status`."""
        return {
            "ago_s": round(now - self.at, 3),
            "class": self.kind,
            "text": self.text,
            **self.facts,
            "stacks": self.stacks,
        }


def silence(child: Child, silent_s: float, requests: Sequence[InFlight], now: float) -> str:
    """A child missed its deadline and will be aborted."""
    if child.stage is Stage.BOOTING:
        return f"WORKER BOOT TIMEOUT (pid:{child.pid}) {fields(child)} booting_s={silent_s:.1f}; see --boot-timeout"
    return f"WORKER TIMEOUT (pid:{child.pid}) {fields(child)} silent_s={silent_s:.1f}{_in_flight(requests, now)}"


def death(child: Child, code: int | None, signal: str, remains: Remains, now: float) -> Death:
    """How a child ended."""
    kind = classify(child, code, signal, remains.was_oom)
    quiet = kind in ("told", "boot")
    where = f" class={kind}" + (f" cause={child.why!r}" if child.why else "") + f" {fields(child)}"
    where += f" stage={child.stage.value}"
    if child.ready_at is not None:
        where += f" served_s={now - child.ready_at:.1f}"
    if remains.peak_rss:
        where += f" peak_rss={remains.peak_rss >> 20}M"
    if not quiet and remains.connections:
        where += f" connections={remains.connections}"
    if not quiet:
        where += _in_flight(remains.requests, now)
    if signal:
        doubt = " Perhaps out of memory?" if kind == "outside-signal" and remains.was_oom is None else ""
        doubt = doubt if signal == "SIGKILL" else ""
        text = f"Worker (pid:{child.pid}) was sent {signal}!{doubt}{where}"
    else:
        text = f"Worker (pid:{child.pid}) exited with code {code}.{where}"
    facts: dict[str, object] = {
        "pid": child.pid,
        "pool": child.pool,
        "slot": child.slot,
        "generation": child.generation,
        "stage": child.stage.value,
        "cause": child.why,
        "code": code,
        "signal": signal,
        "served_s": None if child.ready_at is None else round(now - child.ready_at, 3),
        "peak_rss_bytes": remains.peak_rss,
        "connections": remains.connections,
        "in_flight": [
            {
                "method": request.method,
                "target": request.target,
                "client": request.client,
                "age_s": round(max(0.0, now - request.started), 3),
                "request_id": request.request_id,
            }
            for request in remains.requests[:_KEPT]
        ],
    }
    return Death(now, kind, _level(kind, code), text, "" if quiet else remains.stacks, facts)


def classify(child: Child, code: int | None, signal: str, was_oom: bool | None) -> str:
    """Whose doing it was."""
    if child.why in (TIMEOUT, BOOT_TIMEOUT):
        return "deadline"
    if signal:
        if child.sent is not None and signal == child.sent.value:
            if child.why == HARD_MEMORY:
                return "memory-limit"
            return "told" if signal in ("SIGTERM", "SIGQUIT") else "deadline"
        if signal == "SIGKILL" and was_oom:
            return "out-of-memory"
        return "crash" if signal in _CRASHES else "outside-signal"
    if child.has_failed:
        return "boot"
    return "told" if child.sent is not None and not code else "exit"


def _level(kind: str, code: int | None) -> Level:
    if kind == "told":
        return Level.DEBUG
    if kind == "boot":
        return Level.INFO
    return Level.WARNING if kind == "exit" and not code else Level.ERROR


def _in_flight(requests: Sequence[InFlight], now: float) -> str:
    """The requests that it had begun and not ended, oldest first."""
    if not requests:
        return ""
    shown = ", ".join(_request(request, now) for request in requests[:_SHOWN])
    more = f" and {len(requests) - _SHOWN} more" if len(requests) > _SHOWN else ""
    return f" in_flight=[{shown}{more}]"


def _request(request: InFlight, now: float) -> str:
    target = "".join(char if char.isprintable() else "?" for char in request.target)
    mark = f" id={request.request_id}" if request.request_id.isprintable() and request.request_id else ""
    age = max(0.0, now - request.started)
    return f"{request.method} {target} from {request.client or '-'} for {age:.1f} s{mark}"
