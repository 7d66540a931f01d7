"""The vocabulary of the channel: everything that an arbiter and a worker tell each other, one dataclass each.

Signals carry the commands that an operator may also give by hand (TERM, QUIT, USR1); whatever
has content travels here, as one JSON object per line with the class name under "type".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker: the application is loaded, lifespan startup is finished, the next thing is accept()."""

    boot_s: float
    app: str = ""
    """What was found, for the log: "asgi (coroutine function), uvloop, httptools"."""
    serves_websocket: bool = False


@dataclass(frozen=True, slots=True)
class BootFailed:
    """Worker: I cannot serve. `exit_code` is 3 or 4; `traceback` is the application's own, "" if there is none."""

    exit_code: int
    reason: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Retire:
    """Worker: please replace me (max-requests, memory). It serves on until the arbiter sends TERM."""

    reason: str


@dataclass(frozen=True, slots=True)
class Draining:
    """Worker: no longer accepting, finishing what is under way."""

    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    """Worker made by a template: this is my pid. Always its first message."""

    pid: int


Message = Ready | BootFailed | Retire | Draining | Started

_BY_NAME: dict[str, type[Message]] = {cls.__name__: cls for cls in (Ready, BootFailed, Retire, Draining, Started)}


def encode(message: Message) -> bytes:
    """The line for one message, newline included."""
    return json.dumps({"type": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Message | None:
    """The message of one line; None for a type or a shape this side does not know.

    During a binary upgrade both ends need not be of one version, so an unknown message is no error.
    """
    try:
        fields = json.loads(line)
        return _BY_NAME[fields.pop("type")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
