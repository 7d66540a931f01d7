"""What a worker writes down of the requests that it serves by route: counts, times, and copies for shadow traffic.

A worker has one only where there are routes or shadow traffic. All of it happens after the answer is out, apart from
keeping the bytes of an answer that is to be compared; those are kept as they are, not copied.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, Self

from hybrid.contract.shadow import MOST_BODY, MOST_BYTES, Copy, encode
from hybrid.contract.traffic import SAMPLE_EVERY, Cell, TrafficRow
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http1.reply import ReplyError, ReplyReader
from hybrid.routing.shadow import ShadowPlan

if TYPE_CHECKING:
    from hybrid.contract import WorkerContext
    from hybrid.contract.shadow import ShadowQueue
    from hybrid.http1.response import Response

SHADOW_ROUTE: Final = "(shadow)"
"""The route of copies: they are counted apart, and not copied again."""
MOST_KEPT: Final = 1024 * 1024
"""Bytes of an answer that are kept; what is longer is compared by its beginning and its length."""
PAUSE_S: Final = 0.02
_MOST_WHOLE: Final = MOST_BODY + 32 * 1024


class Ledger:
    """One per worker; not for several threads at once."""

    def __init__(self, context: WorkerContext, row: TrafficRow) -> None:
        crossing = context.crossing
        assert crossing is not None, "there is a row in it"
        self._pool = context.pool
        self._row = row
        self._pauses_until = 0.0
        """The shadow worker had no room: until then no further copy is tried."""
        self._queue: ShadowQueue | None = None
        self._plan: ShadowPlan | None = None
        if crossing.shadow is not None:
            self._queue = crossing.shadow.queue
            plan = ShadowPlan(crossing.shadow.rules, own=context.pool)
            self._plan = plan if plan else None
            self._names = {rule.pattern: rule.name for rule in crossing.shadow.rules}

    @classmethod
    def of(cls, context: WorkerContext) -> Self | None:
        """None where nothing is to be written down."""
        crossing = context.crossing
        return None if crossing is None or crossing.traffic is None else cls(context, crossing.traffic)

    @property
    def copies(self) -> bool:
        """Of some requests."""
        return self._plan is not None

    def count(self, route: str, status: int, seconds: float) -> None:
        """A request of this route was answered."""
        self._row.cell(self._pool, route).count(status, seconds)

    def is_sampled(self, route: str) -> bool:
        """Is the processor time of this request to be measured?"""
        cell = self._row.cell(self._pool, route)
        cell.until_sample -= 1
        if cell.until_sample > 0:
            return False
        cell.until_sample = SAMPLE_EVERY
        return True

    def cell(self, route: str) -> Cell:
        return self._row.cell(self._pool, route)

    def begin_copy(self, request: Request, peer: Peer, route: str, body: bytes | None) -> Recording | None:
        """If a copy of this request is wanted, what records the answer. `body`: None if it is not there whole."""
        plan = self._plan
        if plan is None or route == SHADOW_ROUTE:
            return None
        rule = plan.rule_for(request)
        if rule is None:
            return None
        if self._pauses_until:
            if monotonic() < self._pauses_until:
                self._row.cell(self._pool, route).dropped()
                return None
            self._pauses_until = 0.0
        if body is None or len(body) > MOST_BODY:
            self._row.cell(self._pool, route).unfit()
            return None
        return Recording(self._names[rule.pattern], rule.pool, request, peer, body)

    def end_copy(self, recording: Recording, route: str, response: Response, *, is_whole: bool) -> None:
        """The answer is out: give the copy away. `is_whole`: nothing of it is missing, as when a client has gone."""
        cell = self._row.cell(self._pool, route)
        message = recording.message(response) if is_whole else None
        if message is None:
            cell.unfit()
        elif self._queue is not None and self._queue.send(message):
            cell.copied()
        else:
            cell.dropped()
            self._pauses_until = monotonic() + PAUSE_S


class Recording:
    """The bytes of one answer, as they leave."""

    __slots__ = ("_body", "_parts", "_peer", "_pool", "_request", "_rule", "_size", "_started", "send_on")

    def __init__(self, rule: str, pool: str, request: Request, peer: Peer, body: bytes) -> None:
        """`rule` is the name of the one that wants the copy, `pool` where it goes."""
        self._rule = rule
        self._pool = pool
        self._request = request
        self._peer = peer
        self._body = body
        self._started = monotonic()
        self._parts: list[bytes] = []
        self._size = 0
        self.send_on: Callable[[bytes | memoryview], int] | None = None

    def take_body(self, content: bytes) -> None:
        """This came of the request's body."""
        if len(self._body) <= MOST_BODY:
            self._body += content

    def take(self, data: bytes) -> None:
        """These bytes were written."""
        self._size += len(data)
        if self._size <= MOST_KEPT:
            self._parts.append(data)

    def send(self, data: bytes | memoryview) -> int:
        """In the place of a socket's `send`: note what it takes."""
        assert self.send_on is not None, "it was put into the place of another"
        sent = self.send_on(data)
        self.take(data if sent == len(data) and type(data) is bytes else bytes(data[:sent]))
        return sent

    def message(self, response: Response) -> bytes | None:
        """The copy as a message; None if there is no sense in it, or it is too long."""
        request, peer = self._request, self._peer
        seconds = monotonic() - self._started
        reply = b"".join(self._parts)
        is_cut, length, digest = False, -1, b""
        if len(self._body) > MOST_BODY:
            return None
        is_all = self._size <= MOST_KEPT
        if len(reply) > _MOST_WHOLE or not is_all or _lacks_content(reply, response):
            reader = ReplyReader(request.method, MOST_BODY)
            try:
                reader.feed(reply)
            except ReplyError:
                return None
            if not reader.status:
                return None
            is_cut, length = True, response.bytes_sent
            digest = reader.digest() if reader.length == length else b""
            fields = b"".join(b"%b: %b\r\n" % field for field in reader.headers)
            reply = b"HTTP/1.1 %d -\r\n%b\r\n%b" % (reader.status, fields, reader.body)
        message = encode(
            Copy(
                pattern=self._rule,
                pool=self._pool,
                head=request.head,
                body=self._body,
                method=request.method,
                reply=reply,
                seconds=seconds,
                at=monotonic(),
                client=peer.client,
                server=peer.server,
                is_cut=is_cut,
                length=length,
                digest=digest,
            )
        )
        return message if len(message) <= MOST_BYTES else None


def _lacks_content(reply: bytes, response: Response) -> bool:
    """Some of the content went out on another way: sendfile()."""
    return response.bytes_sent > len(reply) - (reply.find(b"\r\n\r\n") + 4)
