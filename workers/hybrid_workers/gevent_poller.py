"""The reactor's poller on a gevent hub: while the reactor waits, other greenlets run.

The descriptors are registered with an epoll of our own, and only that one descriptor with the hub's loop. So a
connection costs the loop nothing, an event costs no callback, and registration is level-triggered as everywhere.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Any

from gevent import get_hub, getcurrent, monkey


class HubPoller:
    """See `hybrid_workers.poller.Poller`. One greenlet may wait in `poll()`."""

    def __init__(self) -> None:
        """Belongs to the hub of the calling thread."""
        self._hub = get_hub()
        self._epoll = monkey.get_original("select", "epoll")()  # monkey-patching takes it out of the module
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister
        self._waiter: Any = None
        self._due = inf
        """When the timer fires: left running from one wait to the next, since a wake-up too many harms nobody."""
        self._timer: Any = None
        self._watcher = self._hub.loop.io(self._epoll.fileno(), 1)
        self._watcher.start(self._wake)

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        """May return nothing before `timeout` seconds are over. Lets every other greenlet run that can."""
        self._waiter = getcurrent()
        if timeout <= 0:
            self.wake()
        else:
            due = monotonic() + timeout
            if due < self._due:
                self._due = due
                if self._timer is not None:
                    self._timer.close()
                self._timer = self._hub.loop.timer(timeout)
                self._timer.start(self._on_due, update=True)  # the loop's own clock stands while it works
        self._hub.switch()
        events: list[tuple[int, int]] = self._epoll.poll(0, most)
        return events

    def wake(self) -> None:
        """End a wait soon. For other greenlets of this thread."""
        self._hub.loop.run_callback(self._wake)

    def _on_due(self) -> None:
        self._due = inf
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch()
