"""The shadow worker: sends copies of requests to the pools that shall be compared, and compares their answers.

It is a worker as any other for the arbiter, and has no listeners and no application. A copy goes into the queue of its
pool as one end of a socketpair, so that the pool serves it as it serves everything. Only a few are under way at once:
what comes meanwhile waits in the kernel's buffer, and when that is full the workers drop what they would copy. So
however slow the pool, or this process, or the comparing, nobody waits for it.
"""

from __future__ import annotations

import os
import re
import select
import socket
from math import inf
from time import monotonic
from typing import Final

from hybrid.contract import Draining, WorkerContext
from hybrid.contract.crossing import Crossing
from hybrid.contract.queue import Handed, Kind
from hybrid.contract.scoreboard import Word
from hybrid.contract.shadow import Copy, ShadowPart
from hybrid.errors import WorkerBootError
from hybrid.http1.reply import ReplyError
from hybrid_workers.deadline import BEAT_AHEAD_S
from hybrid_workers.ledger import SHADOW_ROUTE
from hybrid_workers.shadow_exchange import Exchange, request_of, shown
from hybrid_workers.shadow_findings import Findings
from hybrid_workers.wakeup import Wakeup

MOST_AT_ONCE: Final = 16
MOST_AGE_S: Final = 5.0
"""A copy that is older is thrown away: the data that the real answer was made from may have changed."""
TICK_S: Final = 0.2
TELL_S: Final = 0.5
"""How often the arbiter is told what was found."""
_DEFAULT_TIMEOUT_S: Final = 30.0
_READ_SIZE: Final = 65536


class ShadowWorker:
    """See `hybrid.contract.Worker`."""

    loads_app_itself = True
    """It has none."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._poll = select.poll()
        self._wakeup = Wakeup()
        self._under_way: dict[int, tuple[socket.socket, Exchange]] = {}
        self._findings = Findings()
        self._ignored = frozenset(name.lower().encode() for name in context.settings.shadow_ignore_headers)
        self._patterns = [re.compile(text.encode()) for text in context.settings.shadow_ignore_body]
        self._timeout = context.settings.timeout or _DEFAULT_TIMEOUT_S
        self._is_taking = False
        self._is_stopped = False
        context.row.words[Word.CAPACITY] = MOST_AT_ONCE

    def boot(self) -> None:
        crossing = self._context.crossing
        if crossing is None or crossing.shadow is None:
            raise WorkerBootError("the shadow worker has nothing to compare: it needs --shadow and several pools")
        self._crossing: Crossing = crossing
        self._part: ShadowPart = crossing.shadow
        try:
            os.nice(5)  # who compares is never in a hurry
        except OSError:
            pass

    def stop(self, *, graceful: bool) -> None:
        self._is_stopped = True
        self._wakeup.wake()

    def serve(self) -> None:
        channel = self._context.channel
        self._poll.register(self._wakeup.fileno(), select.POLLIN)
        self._poll.register(channel.fileno(), select.POLLIN)
        next_tick = next_telling = 0.0
        while not self._is_stopped:
            now = monotonic()
            if now >= next_tick:
                next_tick = now + TICK_S
                self._tick(now)
            if now >= next_telling:
                next_telling = now + TELL_S
                self._tell()
            self._take_or_not()
            for fd, _ in self._poll.poll(max(0.0, next_tick - monotonic()) * 1000):
                if fd in self._under_way:
                    self._read(fd)
                elif fd == channel.fileno():
                    channel.receive()
                    self._is_stopped = not channel.is_open
                elif fd == self._wakeup.fileno():
                    self._wakeup.clear()
                else:
                    self._take()
        self._tell()
        channel.send(Draining("stop"))

    # -- copies -------------------------------------------------------------------------------------

    def _take_or_not(self) -> None:
        """Wait for copies while there is room for one more."""
        has_room = len(self._under_way) < MOST_AT_ONCE
        if has_room and not self._is_taking:
            self._poll.register(self._part.queue.fileno(), select.POLLIN)
        elif self._is_taking and not has_room:
            self._poll.unregister(self._part.queue.fileno())
        self._is_taking = has_room

    def _take(self) -> None:
        copy = self._part.queue.receive()
        if copy is not None and not self._send(copy, monotonic()):
            self._findings.skipped(copy.pattern, copy.pool)

    def _send(self, copy: Copy, now: float) -> bool:
        queue = self._crossing.queues.get(copy.pool)
        if queue is None or now - copy.at > MOST_AGE_S or self._crossing.ready(copy.pool) <= 0:
            return False
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        handed = Handed(
            kind=Kind.SHADOW,
            deadline=now + self._crossing.timeout,
            client=copy.client,
            server=copy.server,
            data=request_of(copy),
            route=SHADOW_ROUTE,
        )
        with theirs:
            if not queue.send(theirs.fileno(), handed):
                ours.close()
                return False
        self._under_way[ours.fileno()] = (ours, Exchange(copy, self._ignored, now, self._patterns))
        self._poll.register(ours.fileno(), select.POLLIN)
        return True

    def _read(self, fd: int) -> None:
        sock, exchange = self._under_way[fd]
        try:
            data = sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # reset
            data = b""
        try:
            if exchange.feed(data):
                self._compare(exchange)
                self._end(fd)
        except ReplyError as error:
            self._fail(fd, str(error))

    def _compare(self, exchange: Exchange) -> None:
        copy = exchange.copy
        taken = monotonic() - exchange.sent_at
        self._findings.compared(copy.pattern, copy.pool, shown(copy), exchange.comparison(), (copy.seconds, taken))
        self._context.row.words[Word.REQUESTS] += 1

    def _fail(self, fd: int, reason: str) -> None:
        copy = self._under_way[fd][1].copy
        self._findings.failed(copy.pattern, copy.pool, reason)
        self._context.row.words[Word.ERRORS] += 1
        self._end(fd)

    def _end(self, fd: int) -> None:
        sock, _ = self._under_way.pop(fd)
        self._poll.unregister(fd)
        sock.close()

    # -- time ---------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        row = self._context.row
        row.beat(now + BEAT_AHEAD_S)
        row.words[Word.ACTIVE] = len(self._under_way)
        oldest = min((exchange.sent_at for _, exchange in self._under_way.values()), default=inf)
        if now - oldest > self._timeout:
            for fd in [fd for fd, (_, one) in self._under_way.items() if now - one.sent_at > self._timeout]:
                self._fail(fd, f"no answer within {self._timeout:g} s")

    def _tell(self) -> None:
        channel = self._context.channel
        channel.flush()
        if not channel.has_unsent:  # else it waits, and is told with what comes after
            for message in self._findings.take():
                channel.send(message)
