"""The ledger of a WSGI worker: its calls, and what their connections send."""

from __future__ import annotations

from functools import partial
from time import monotonic, thread_time
from typing import TYPE_CHECKING

from hybrid_workers.call import Call, Outcome
from hybrid_workers.ledger import Ledger, Recording

if TYPE_CHECKING:
    from hybrid.contract import WorkerContext
    from hybrid.contract.traffic import TrafficRow


class WsgiLedger(Ledger):
    """Called in the reactor's thread."""

    def __init__(self, context: WorkerContext, row: TrafficRow) -> None:
        super().__init__(context, row)
        # Greenlets share a thread, so that its time says nothing about one of them.
        self._measures = context.worker_class in ("sync", "gthread")

    def begin(self, call: Call) -> None:
        """A call is made, and has not run yet."""
        connection = call.connection
        route = connection.route
        if self._measures and self.is_sampled(route):
            call.run = partial(_timed, call)  # type: ignore[method-assign]  # in a sample only: others pay nothing
        if self.copies:
            is_there = connection.is_read and connection.spool is None
            body = b"".join(connection.content) if is_there else None
            recording = self.begin_copy(call.request, connection.peer, route, body)
            if recording is not None:
                recording.send_on = connection.send
                connection.send = recording.send
                call.recording = recording

    def account(self, call: Call) -> None:
        """A call is over."""
        connection = call.connection
        self.count(connection.route, call.status, call.seconds)
        if call.ran_s:
            self.cell(connection.route).sample(call.ran_s, call.cpu_s)
            del call.run  # it leads back to the call
        recording = call.recording
        if isinstance(recording, Recording):
            call.recording = None
            if connection.send == recording.send and recording.send_on is not None:  # else it was sealed
                connection.send = recording.send_on  # type: ignore[assignment]  # it was there before
            self.end_copy(recording, connection.route, call, is_whole=call.outcome is Outcome.ANSWERED)


def _timed(call: Call) -> Outcome:
    """Call.run(), with its times."""
    began, cpu_before = monotonic(), thread_time()
    outcome = Call.run(call)
    call.ran_s += monotonic() - began
    call.cpu_s += thread_time() - cpu_before
    return outcome
