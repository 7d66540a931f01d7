"""What is known about an application, as plain values: gathered by `gather`, judged by `rules`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class View:
    """What answers one path. `blocking` are the calls in it that are known to block, such as "requests"."""

    path: str
    name: str
    is_async: bool
    where: str = ""
    blocking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """One of Django's. `pool_size` is 0 without a pool; `max_age` is None where connections are kept for ever."""

    alias: str
    engine: str
    max_age: float | None = 0
    pool_size: int = 0


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pool of connections in the process, of SQLAlchemy's kind: `size` is the most it hands out; 0: no limit."""

    name: str
    size: int
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class DjangoFacts:
    """`sync_middleware` cannot run on a loop; `hopping_middleware` can, but runs its parts in threads."""

    databases: tuple[Database, ...] = ()
    sync_middleware: tuple[str, ...] = ()
    hopping_middleware: tuple[str, ...] = ()
    has_channels: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """`threads` run synchronous code in one worker, `concurrency` is the most requests in one, 0: no limit.

    `modules` are the top-level names of all that is imported. `twin` is the same project's application for the other
    interface, as APP, or "".
    """

    app: str
    is_asgi: bool
    worker_class: str
    workers: int = 1
    threads: int = 1
    concurrency: int = 0
    framework: str = ""
    modules: frozenset[str] = frozenset()
    views: tuple[View, ...] = ()
    django: DjangoFacts | None = None
    pools: tuple[Pooled, ...] = ()
    twin: str = ""
    missing: tuple[str, ...] = field(default=())
    """What could not be looked at, and why."""
