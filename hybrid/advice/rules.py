"""From facts to advice. Pure; each rule is a function from the facts to what it has to say.

`blocks` must be dealt with before the application serves many from one event loop; `costs` works, but dearly or only
up to a load; `gains` is what the other interface would bring; `note` is to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hybrid.advice.blocking import BLOCKING, REMOTE, blocking_among
from hybrid.advice.facts import DjangoFacts, Facts, View

Level: TypeAlias = Literal["blocks", "costs", "gains", "note"]

_ORDER: tuple[Level, ...] = ("blocks", "costs", "gains", "note")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding. `subject` is a word to search for; `where` are places in the code or the settings."""

    level: Level
    subject: str
    text: str
    where: tuple[str, ...] = ()


def advise(facts: Facts) -> list[Advice]:
    """Everything there is to say, what matters most first."""
    found = [advice for rule in (_ASGI if facts.is_asgi else _WSGI) for advice in rule(facts)]
    found += [Advice("note", "not looked at", text) for text in facts.missing]
    return sorted(found, key=lambda advice: _ORDER.index(advice.level))


# -- ASGI: what blocks the loop --------------------------------------------------------------------


def _blocking_views(facts: Facts) -> Iterator[Advice]:
    guilty = [view for view in facts.views if view.is_async and view.blocking]
    if guilty:
        calls = _listed(sorted({call for view in guilty for call in view.blocking}))
        yield Advice(
            "blocks",
            "async views",
            f"{_count(len(guilty), 'async view')} {'uses' if len(guilty) == 1 else 'use'} {calls}:"
            " while one waits, the worker answers nobody;"
            f" {_instead(guilty)}, or make the view a plain function, which runs in a thread",
            _places(guilty),
        )


def _blocking_drivers(facts: Facts) -> Iterator[Advice]:
    drivers = blocking_among(facts.modules)
    if not drivers or (facts.views and not any(view.is_async for view in facts.views)):
        return
    named = {call for view in facts.views if view.is_async for call in view.blocking}
    for driver in drivers:
        if driver not in named:
            yield Advice(
                "costs",
                "blocking drivers",
                f"{driver} is imported: it blocks the loop where a coroutine calls it, and nowhere else;"
                f" with await: {BLOCKING[driver]}",
            )


def _sync_views(facts: Facts) -> Iterator[Advice]:
    slow = [view for view in facts.views if not view.is_async]
    # Django makes a thread for each request that needs one; the others share those of the worker.
    threads = (
        "a thread made for it" if facts.framework == "django" else f"one of {facts.threads} threads (--sync-threads)"
    )
    if slow:
        yield Advice(
            "costs" if len(slow) == len(facts.views) else "note",
            "sync views",
            f"{len(slow)} of {_count(len(facts.views), 'view')} are plain functions: each call takes {threads}"
            " for as long as it lasts"
            + ("; with none async, a WSGI worker does the same at less cost" if len(slow) == len(facts.views) else ""),
            _places(slow),
        )


def _middleware(facts: Facts) -> Iterator[Advice]:
    if facts.django is None:
        return
    if facts.django.sync_middleware:
        yield Advice(
            "costs",
            "sync middleware",
            f"{len(facts.django.sync_middleware)} of MIDDLEWARE are not async-capable: Django changes to a thread and"
            " back for each, in every request, also of async views; make them async_capable, or put them together",
            facts.django.sync_middleware,
        )
    if facts.django.hopping_middleware:
        yield Advice(
            "note",
            "middleware",
            f"{len(facts.django.hopping_middleware)} of MIDDLEWARE have a process_request or process_response, which"
            " Django runs in a thread",
            facts.django.hopping_middleware,
        )


def _connection_age(facts: Facts) -> Iterator[Advice]:
    for database in facts.django.databases if facts.django is not None else ():
        if database.max_age != 0:
            age = "None" if database.max_age is None else f"{database.max_age:g}"
            yield Advice(
                "blocks",
                "CONN_MAX_AGE",
                f"database {database.alias} keeps connections (CONN_MAX_AGE {age}): under ASGI each request has a"
                " thread of its own, so that connections stay behind until the database has no more; set it to 0, and"
                " use a pool (OPTIONS pool, or pgbouncer)",
                (f"DATABASES[{database.alias!r}]",),
            )


def _thread_pools(facts: Facts) -> Iterator[Advice]:
    if facts.is_asgi and facts.django is not None:
        yield from _django_pools(facts, facts.django)
        return
    sizes = [
        (f"pool of database {one.alias}", one.pool_size) for one in (facts.django.databases if facts.django else ())
    ]
    sizes += [(f"connection pool of {one.name}", one.size) for one in facts.pools if not one.is_async]
    for name, size in sizes:
        if 0 < size < facts.threads:
            option = "--sync-threads" if facts.worker_class == "asgi" else "--threads"
            yield Advice(
                "costs",
                "pool sizes",
                f"{facts.threads} threads in a worker share the {size} connections of the {name}: at full load"
                f" {facts.threads - size} wait, and time out; use {option} {size}, or a pool of {facts.threads}",
            )
    for name, size in [*sizes, *((f"connection pool of {one.name}", one.size) for one in facts.pools if one.is_async)]:
        if size and size * facts.workers > 100:
            yield Advice(
                "note",
                "pool sizes",
                f"{facts.workers} workers with {size} connections each in the {name} may open {size * facts.workers};"
                " PostgreSQL allows 100 unless told otherwise",
            )


def _django_pools(facts: Facts, django: DjangoFacts) -> Iterator[Advice]:
    """Django's threads under ASGI are as many as its requests, whatever --sync-threads says."""
    for one in django.databases:
        if one.pool_size and not 0 < facts.concurrency <= one.pool_size:
            yield Advice(
                "costs",
                "pool sizes",
                f"under ASGI each request under way has a thread, and the pool of database {one.alias} has"
                f" {one.pool_size} connections: the requests beyond wait for one, and time out; use a larger pool,"
                f" or --limit-concurrency {one.pool_size}",
            )


# -- WSGI: what would gain -------------------------------------------------------------------------


def _async_under_wsgi(facts: Facts) -> Iterator[Advice]:
    able = [view for view in facts.views if view.is_async]
    if able:
        yield Advice(
            "gains",
            "async views",
            f"{_count(len(able), 'async view')}: under WSGI each call starts an event loop and keeps a worker busy for"
            f" as long as it waits; as ASGI they share one{_how(facts)}",
            _places(able),
        )


def _waiting(facts: Facts) -> Iterator[Advice]:
    remote = [name for name in REMOTE if name in facts.modules]
    if remote:
        how = "" if facts.worker_class != "sync" else "; without any change, --threads 8 already helps"
        yield Advice(
            "gains",
            "waiting",
            f"{_listed(remote)} imported: a view that waits for another service keeps one of"
            f" {facts.workers * facts.threads} places busy; as async views thousands can wait{how}",
        )


def _channels(facts: Facts) -> Iterator[Advice]:
    if facts.django is not None and facts.django.has_channels:
        yield Advice(
            "gains", "websockets", f"channels is among INSTALLED_APPS: WebSockets need the ASGI side{_how(facts)}"
        )


def _nothing_to_gain(facts: Facts) -> Iterator[Advice]:
    remote = any(name in facts.modules for name in REMOTE)
    if facts.views and not remote and not any(view.is_async for view in facts.views):
        yield Advice(
            "note",
            "stay",
            f"all {_count(len(facts.views), 'view')} are plain functions, and no client of another service is imported:"
            " nothing here speaks for ASGI",
        )


def _twin(facts: Facts) -> Iterator[Advice]:
    if facts.twin:
        other, this = ("WSGI", "ASGI") if facts.is_asgi else ("ASGI", "WSGI")
        yield Advice(
            "note", "both", f"this project can be served both ways: {facts.app} is {this}, {facts.twin} is {other}"
        )


_ASGI = (_blocking_views, _connection_age, _middleware, _blocking_drivers, _sync_views, _thread_pools, _twin)
_WSGI = (_async_under_wsgi, _waiting, _channels, _thread_pools, _nothing_to_gain, _twin)


# -- words -----------------------------------------------------------------------------------------


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _places(views: Iterable[View]) -> tuple[str, ...]:
    views = list(views)
    shown = tuple(f"{view.path} {view.name}" + (f" ({view.where})" if view.where else "") for view in views[:_SHOWN])
    return shown if len(views) <= _SHOWN else (*shown, f"and {len(views) - _SHOWN} more")


def _instead(views: Iterable[View]) -> str:
    calls = sorted({call for view in views for call in view.blocking})
    known = {"time.sleep": "asyncio.sleep", **BLOCKING}
    return (
        "; ".join(f"in place of {call}: {known[call]}" for call in calls if call in known) or "use what can be awaited"
    )


def _how(facts: Facts) -> str:
    return f": hybrid {facts.twin}" if facts.twin else ""
