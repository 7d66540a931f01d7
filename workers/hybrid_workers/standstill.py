"""The request deadline where a request of an ASGI application holds the event loop: a second thread looks after it.

The sweeper, which ends requests by cancelling their tasks, needs the loop itself. So when no turn of the loop has come
round for a while, this thread looks who is on its stack. Over its deadline, a request is *ended* first: a signal to
the main thread, whose handler raises in the application, whether that computes, sleeps or waits for a lock. What is
still there a second later *cannot be ended*: its client gets the 504 from this thread, on the bare socket, and the
arbiter is asked for a successor before it ends this worker for its silence. See `hybrid_workers.deadline`.

Whoever holds the interpreter's lock holds this thread too; then only the arbiter is left.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from hybrid.asgi import Cycle
from hybrid.contract import Retire
from hybrid.contract.scoreboard import Word
from hybrid.errors import DeadlineExceeded
from hybrid_workers.deadline import BEAT_AHEAD_S, END_S, INTERRUPT, Step
from hybrid_workers.stacks import application_frames, frames_of, is_ours, listing, root_of, site

if TYPE_CHECKING:
    from hybrid_workers.asgi_service import Service

LOOK_S: Final = 0.25
HELD_S: Final = 0.75
"""A loop that has not come round for so long is held. It does ten times a second."""


class Standstill:
    """One per asgi worker, made and started in the thread of the loop."""

    def __init__(self, service: Service, on_given_up: Callable[[], None]) -> None:
        """`on_given_up` is called in the watching thread when the loop will not come back in time."""
        self._service = service
        self._deadline = service.deadline
        self._floats = service.row.floats
        self._on_given_up = on_given_up
        self._loop_thread = threading.get_ident()
        self._end = threading.Event()
        self._condemned: FrameType | None = None
        """The outermost frame of what is to be ended."""
        self._stamp = 0.0
        self._step = Step.NONE
        self._step_at = 0.0

    def start(self) -> None:
        if self._deadline.limit == inf or threading.current_thread() is not threading.main_thread():
            return
        if INTERRUPT is not None:
            signal.signal(INTERRUPT, self._on_signal)
        threading.Thread(target=self._watch, name="hybrid-deadline", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    # -- in the watching thread -----------------------------------------------------------------------

    def _watch(self) -> None:
        forgiven = 0.0
        slept_at = monotonic()
        while not self._end.wait(LOOK_S):
            now = monotonic()
            if now - slept_at > 2 * LOOK_S:  # it was not the loop that stood still
                forgiven = now
            stamp = self._floats[Word.BEAT] - BEAT_AHEAD_S
            if stamp != self._stamp:
                self._stamp = stamp
                self._step = Step.NONE
                self._condemned = None
            if now - max(stamp, forgiven) > HELD_S:
                self._look(now)
            slept_at = monotonic()

    def _look(self, now: float) -> None:
        frames = frames_of(sys._current_frames().get(self._loop_thread))
        root = root_of(frames)
        if root is None:
            return
        cycle = cycle_of(frames)
        if cycle is not None and cycle.response.head_sent:
            cycle = None  # its time is over with its first byte; but not that of all others
        age = now - self._stamp if cycle is None else now - cycle.began - _body_waited(cycle)
        if self._step is Step.NONE and age > self._deadline.limit:
            self._step, self._step_at = Step.ENDING, now
            self._tell_ending(cycle, age, frames)
        elif self._step is Step.ENDING and now - self._step_at > END_S:
            self._step = Step.GIVEN_UP
            self._give_up(cycle, age, frames)
            return
        if self._step is Step.ENDING and INTERRUPT is not None:
            if cycle is not None and not cycle.overdue_at:
                cycle.overdue_at = now
            self._condemned = root
            signal.pthread_kill(self._loop_thread, INTERRUPT)

    def _tell_ending(self, cycle: Cycle | None, age: float, frames: Sequence[FrameType]) -> None:
        if cycle is not None:
            self._deadline.ending(cycle.request, _label(cycle), age, frames)
            return
        inside = application_frames(frames)
        self._service.log.error(
            "Request deadline: the event loop has been held for %.1f s (--timeout %g), which is being ended; it is at"
            " %s\n%s",
            age,
            self._deadline.limit,
            site(inside),
            listing(inside).rstrip(),
        )

    def _give_up(self, cycle: Cycle | None, age: float, frames: Sequence[FrameType]) -> None:
        self._condemned = None
        self._on_given_up()
        if cycle is None:
            self._service.log.error(
                "Request deadline: the event loop is still held after %.1f s, at %s; asking for a successor",
                age,
                site(application_frames(frames)),
            )
            self._service.channel.send(Retire("an event loop that is held"))
            return
        self._deadline.given_up(cycle.request, _label(cycle), age, frames)
        self._answer(cycle)

    def _answer(self, cycle: Cycle) -> None:
        """504 without the loop, if nothing of a response is out or on its way.

        The order decides: send() looks at `is_disconnected` first of all. So if it is not on the stack after that was
        set, it will raise, and nobody else writes. Bytes of an earlier response that wait in the transport, or TLS,
        whose state is the loop's: then the client is only cut off.
        """
        cycle.is_disconnected = True
        frames = frames_of(sys._current_frames().get(self._loop_thread))
        at = next((at for at, frame in enumerate(frames) if frame.f_code is Cycle.run.__code__), None)
        if at is None or any(is_ours(frame) for frame in frames[at + 1 :]) or cycle.response.head_sent:
            return
        connection: Any = cycle._connection
        transport = connection.transport
        has_unsent = connection.unsent or connection.pieces
        if has_unsent or transport.get_write_buffer_size() or transport.get_extra_info("ssl_object") is not None:
            return
        response = cycle.response
        response.keep_alive = False
        response.start(504, [(b"content-type", b"text/plain; charset=utf-8")])
        page = response.content(b"504 Gateway Timeout\n", more=False)
        try:
            with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
                sock.setblocking(False)
                sock.send(page)
                sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone, or has left no room for a page
            pass
        self._service.loop.call_soon_threadsafe(connection.was_answered, cycle)

    # -- in the loop's thread, wherever it is ---------------------------------------------------------

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        condemned = self._condemned
        if condemned is None or frame is None or is_ours(frame):
            return
        below: FrameType | None = frame
        while below is not None and below is not condemned:
            below = below.f_back
        if below is not None:
            self._condemned = None
            raise DeadlineExceeded


def cycle_of(frames: Sequence[FrameType]) -> Cycle | None:
    """The request that is being served on this stack; None if a task of the application's own is."""
    for frame in frames:
        if frame.f_code is Cycle.run.__code__:
            cycle = frame.f_locals.get("self")
            return cycle if isinstance(cycle, Cycle) else None
    return None


def _label(cycle: Cycle) -> str:
    return str(getattr(cycle._connection, "label", ""))


def _body_waited(cycle: Cycle) -> float:
    return float(getattr(cycle._connection, "body_waited", 0.0))
