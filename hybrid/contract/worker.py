"""The seam between the arbiter and every worker class, ours or a third party's.

A worker's life, driven by `hybrid_workers.child.run_worker` in the forked child:

    worker = WorkerClass(context)     cheap; may refuse settings (SettingsError)
    worker.boot()                     import the app, lifespan startup; AppLoadError, WorkerBootError
    -> Ready on the channel
    worker.serve()                    accept and answer until told to stop and drained
    -> exit code 0

`stop()` is called on the main thread, from a signal handler or the channel's EOF, at any moment
between those calls: it records and wakes, nothing else.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hybrid.contract.channel import Channel
from hybrid.contract.scoreboard import ScoreRow
from hybrid.contract.template import Seat
from hybrid.hooks import ServerView, WorkerView
from hybrid.settings import Settings

if TYPE_CHECKING:
    import ssl

    from hybrid.contract.crossing import Crossing


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound, listening, non-blocking socket.

    `address` is how it is shown: "http://127.0.0.1:8000", "unix:/run/a.sock".
    """

    socket: socket.socket
    address: str

    @property
    def is_unix(self) -> bool:
        return self.socket.family == socket.AF_UNIX


class HookObjects(NamedTuple):
    """The objects that this worker's hooks get."""

    server: ServerView
    worker: WorkerView


@dataclass(slots=True)
class WorkerContext:
    """Everything that a worker is given. Owned by the child process; never shared with another worker."""

    settings: Settings
    pool: str
    slot: int
    generation: int
    arbiter_pid: int
    listeners: tuple[Listener, ...]
    channel: Channel
    row: ScoreRow
    log: logging.Logger
    pool_size: int = 1
    """How many workers the pool has: `wsgi.multiprocess` is `pool_size > 1`."""
    boot_started: float = field(default=0.0)
    """Monotonic seconds at fork."""
    worker_class: str = ""
    """The name that was chosen; differs from the setting for "auto"."""
    interface: str = ""
    """"asgi", "asgi2" or "wsgi"; "" for a worker class that loads its app itself."""
    hooks: HookObjects | None = None
    """What server hooks are called with; None where nobody defined one."""
    template: Seat | None = None
    """For the first worker of a release with --preload."""
    black_box: int = -1
    """A descriptor that the arbiter reads after our death; see `hybrid.contract.blackbox`."""
    app: object | None = None
    """The application, loaded; None for a worker class with a true `loads_app_itself`."""
    tls: ssl.SSLContext | None = None
    """For every connection of every listener; None for plain HTTP. See `hybrid.contract.tls`."""
    crossing: Crossing | None = None
    """Where connections pass from one worker to another; None where they do not."""


class Worker(Protocol):
    """What `hybrid_workers.child` drives. Structural: a third-party class need not inherit anything.

    Three optional attributes of the class, looked up with getattr:
    `loads_app_itself = True`: `context.app` stays None and `boot()` imports the application.
    `prepare()`, a classmethod: called before the application is imported (monkey-patching).
    `finishes_boot = True`: asked to stop gracefully during `boot()`, it is told by `stop()` and not ended at once:
    it finishes, and `serve()` undoes what the boot has begun.
    """

    def __init__(self, context: WorkerContext) -> None: ...

    def boot(self) -> None:
        """Load the application and whatever must be up before the first accept. Blocks."""

    def serve(self) -> None:
        """Serve until stopped. Returns when drained or when the graceful time is over."""

    def stop(self, *, graceful: bool) -> None:
        """Ask `serve()` to end: `graceful` finishes what is under way, else drop it. Must not block."""
