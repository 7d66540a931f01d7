"""An application, once for WSGI and once for ASGI, that answers as the table of test_live_answers.py says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scripted:
    """What the application answers: text is latin-1. `fails` raises after the parts."""

    status: int = 200
    headers: Pairs = ()
    parts: tuple[bytes, ...] = (b"one", b"two")
    """Given one by one, so that the server cannot know the length."""
    fails: bool = False


EVIL = "a\r\nSet-Cookie: evil=1"
ANSWERS: dict[str, Scripted] = {
    "parts": Scripted(),
    "length": Scripted(headers=(("Content-Length", "6"),)),
    "long": Scripted(headers=(("Content-Length", "4"),)),
    "short": Scripted(headers=(("Content-Length", "9"),)),
    "lengths": Scripted(headers=(("Content-Length", "6"), ("Content-Length", "7"))),
    "negative": Scripted(headers=(("Content-Length", "-6"),)),
    "nothing": Scripted(parts=()),
    "204": Scripted(204),
    "204-length": Scripted(204, (("Content-Length", "6"),)),
    "205": Scripted(205),
    "304": Scripted(304, (("Content-Length", "6"), ("ETag", '"a"'))),
    "coding": Scripted(headers=(("Transfer-Encoding", "gzip"),)),
    "coding-and-length": Scripted(headers=(("Transfer-Encoding", "chunked"), ("Content-Length", "6"))),
    "own": Scripted(headers=(("Date", "then"), ("Server", "mine"), ("Content-Length", "6"))),
    "close": Scripted(headers=(("Connection", "close"), ("Content-Length", "6"))),
    "injected": Scripted(headers=(("X-A", EVIL),)),
    "injected-name": Scripted(headers=((EVIL, "a"),)),
    "nul": Scripted(headers=(("X-A", "a\0b"),)),
    "fails": Scripted(parts=(), fails=True),
    "fails-late": Scripted(fails=True),
    "fails-late-length": Scripted(headers=(("Content-Length", "9"),), fails=True),
}
PLAIN = Scripted(headers=(("Content-Length", "6"),))


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    answer = ANSWERS.get(environ["PATH_INFO"][1:], PLAIN)
    start_response(f"{answer.status} Said", list(answer.headers))
    return _given(answer)


def _given(answer: Scripted) -> Iterator[bytes]:
    yield from answer.parts
    if answer.fails:
        raise ValueError("as the script says")


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    answer = ANSWERS.get(scope["path"][1:], PLAIN)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for part in answer.parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    if answer.fails:
        raise ValueError("as the script says")
    await send({"type": "http.response.body", "body": b""})
