"""The vocabulary of the channel: everything that an arbiter and a worker tell each other, one class each.

Signals carry the commands that an operator may also give by hand (TERM, QUIT, USR1); whatever
has content travels here, as one JSON object per line with the class name under "type".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, get_origin, get_type_hints


class Ready(NamedTuple):
    """Worker: the application is loaded, lifespan startup is finished, the next thing is accept()."""

    boot_s: float
    app: str = ""
    """What was found, for the log: "asgi (coroutine function), uvloop, httptools"."""
    serves_websocket: bool = False


class BootFailed(NamedTuple):
    """Worker: I cannot serve. `exit_code` is 3 or 4; `traceback` is the application's own, "" if there is none."""

    exit_code: int
    reason: str
    traceback: str = ""


class Retire(NamedTuple):
    """Worker: please replace me (max-requests, memory). It serves on until the arbiter sends TERM."""

    reason: str


class Draining(NamedTuple):
    """Worker: no longer accepting, finishing what is under way."""

    reason: str


class Started(NamedTuple):
    """Worker made by a template: this is my pid. Always its first message."""

    pid: int


class LoopBlocked(NamedTuple):
    """Worker: for so long nothing else could run, because of this line."""

    where: str
    seconds: float
    request: str = ""
    """What was being served, "" if that is not known."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """The shadow worker: what it has found of one rule since it said so last."""

    pattern: str
    pool: str
    compared: int = 0
    agreed: int = 0
    skipped: int = 0
    """Copies that were too old when their turn came, or that the pool had no room for."""
    failed: dict[str, int] = field(default_factory=dict)
    """Requests that the pool gave no whole answer to, by reason."""
    real: dict[str, int] = field(default_factory=dict)
    """Latencies of the real answers, and of the others: buckets of hybrid.contract.histogram that are not empty."""
    shadow: dict[str, int] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    """What differed, each with `what`, `count`, and one example: `request`, `real`, `shadow`."""
    masked: dict[str, int] = field(default_factory=dict)
    """In how many answers what differed that does not count, since it is random."""


Decisive = Ready | BootFailed | Retire | Draining | Started
"""What the arbiter acts upon."""
Report = LoopBlocked | Shadowed
"""What it keeps for those who ask."""
Message = Decisive | Report

_BY_NAME: dict[str, type[Message]] = {
    cls.__name__: cls for cls in (Ready, BootFailed, Retire, Draining, Started, LoopBlocked, Shadowed)
}


def encode(message: Message) -> bytes:
    """The line for one message, newline included."""
    fields = asdict(message) if isinstance(message, Shadowed) else message._asdict()
    return json.dumps({"type": type(message).__name__, **fields}).encode() + b"\n"


def decode(line: bytes) -> Message | None:
    """The message of one line; None for a type or a shape this side does not know.

    During a binary upgrade both ends need not be of one version, so an unknown message is no error. And workers run
    the application's code, which may write anything here: what the arbiter acts upon is of the types it expects.
    """
    try:
        fields = json.loads(line)
        name = fields.pop("type")
        shape = _SHAPES[name]
        if not all(isinstance(value, shape[field]) for field, value in fields.items()):
            return None
        return _BY_NAME[name](**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _shape(hint: object) -> tuple[type, ...]:
    """What a value of this field may be. JSON does not tell 1.0 from 1."""
    found = get_origin(hint) or hint
    assert isinstance(found, type)
    return (int, float) if found is float else (found,)


_SHAPES = {name: {field: _shape(hint) for field, hint in get_type_hints(cls).items()} for name, cls in _BY_NAME.items()}
