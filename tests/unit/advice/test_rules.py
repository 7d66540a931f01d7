"""What follows from facts about an application."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybrid.advice import Advice, Database, DjangoFacts, Facts, Pooled, View, advise

ASGI = Facts("m:app", True, "asgi", workers=2, threads=40)
WSGI = Facts("m:app", False, "sync", workers=2)
SYNC = View("/s", "m.s", False, "m.py:1")
ASYNC = View("/a", "m.a", True, "m.py:2")
GUILTY = View("/g", "m.g", True, "m.py:3", ("requests",))


def of(facts: Facts, subject: str) -> Advice:
    (found,) = [advice for advice in advise(facts) if advice.subject == subject]
    return found


def test_nothing_known_is_nothing_said() -> None:
    assert advise(ASGI) == []
    assert advise(WSGI) == []


def test_async_view_that_calls_a_blocking_library_is_named_with_the_way_out() -> None:
    found = of(replace(ASGI, views=(ASYNC, GUILTY)), "async views")
    assert (found.level, found.where) == ("blocks", ("/g m.g (m.py:3)",))
    assert found.text.startswith("1 async view uses requests: while one waits, the worker answers nobody")
    assert "httpx.AsyncClient" in found.text


@pytest.mark.parametrize("driver", ["requests", "psycopg2", "MySQLdb", "boto3", "pymongo"])
def test_imported_blocking_driver(driver: str) -> None:
    found = of(replace(ASGI, modules=frozenset({driver, "json"}), views=(ASYNC,)), "blocking drivers")
    assert found.level == "costs"
    assert found.text.startswith(f"{driver} is imported")


def test_driver_that_another_brought_along_is_not_named_twice() -> None:
    facts = replace(ASGI, modules=frozenset({"requests", "urllib3", "boto3", "botocore"}))
    assert [a.text.split()[0] for a in advise(facts) if a.subject == "blocking drivers"] == ["requests", "boto3"]


def test_driver_harms_nobody_where_no_view_is_async() -> None:
    facts = replace(ASGI, modules=frozenset({"requests"}), views=(SYNC,))
    assert [advice.subject for advice in advise(facts)] == ["sync views"]


def test_sync_views_cost_where_all_are() -> None:
    assert of(replace(ASGI, views=(SYNC, ASYNC)), "sync views").level == "note"
    assert of(replace(ASGI, views=(SYNC, SYNC)), "sync views").level == "costs"


def test_places_are_cut_off() -> None:
    assert of(replace(ASGI, views=(SYNC,) * 9), "sync views").where[-1] == "and 4 more"


def test_middleware_that_is_not_async_capable() -> None:
    django = DjangoFacts(sync_middleware=("m.Old",), hopping_middleware=("m.Hop",))
    facts = replace(ASGI, django=django)
    assert of(facts, "sync middleware").where == ("m.Old",)
    assert of(facts, "middleware").level == "note"
    assert advise(replace(WSGI, django=django)) == []


@pytest.mark.parametrize(("age", "is_said"), [(0, False), (600, True), (None, True)])
def test_connections_that_are_kept(age: float | None, is_said: bool) -> None:
    facts = replace(ASGI, django=DjangoFacts(databases=(Database("default", "e", age),)))
    assert [advice.subject for advice in advise(facts)] == ["CONN_MAX_AGE"] * is_said
    assert advise(replace(WSGI, django=facts.django)) == [], "under WSGI it is good practice"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (replace(ASGI, pools=(Pooled("SQLAlchemy engine postgresql", 15),)), "40 threads in a worker share the 15"),
        (
            replace(ASGI, django=DjangoFacts((Database("default", "e", 0, 4),))),
            "a larger pool, or --limit-concurrency 4",
        ),
        (replace(WSGI, threads=8, worker_class="gthread", pools=(Pooled("x", 5),)), "use --threads 5"),
        (replace(ASGI, workers=4, pools=(Pooled("x", 50),)), "4 workers with 50 connections"),
        (replace(ASGI, workers=4, pools=(Pooled("x", 50, is_async=True),)), "4 workers with 50 connections"),
    ],
)
def test_threads_against_connections(facts: Facts, text: str) -> None:
    assert text in of(facts, "pool sizes").text


def test_limit_on_requests_protects_the_pool() -> None:
    facts = replace(ASGI, concurrency=4, django=DjangoFacts((Database("default", "e", 0, 4),)))
    assert advise(facts) == []


def test_threads_are_named_as_they_are_made() -> None:
    assert "one of 40 threads (--sync-threads)" in of(replace(ASGI, views=(SYNC,)), "sync views").text
    assert "a thread made for it" in of(replace(ASGI, views=(SYNC,), framework="django"), "sync views").text


@pytest.mark.parametrize("pool", [Pooled("x", 40), Pooled("x", 0), Pooled("x", 5, is_async=True)])
def test_pool_that_suffices_has_no_limit_or_needs_no_threads(pool: Pooled) -> None:
    assert advise(replace(ASGI, workers=1, pools=(pool,))) == []


def test_what_would_gain_from_asgi() -> None:
    facts = replace(WSGI, modules=frozenset({"requests"}), views=(ASYNC, SYNC), twin="m.asgi:app")
    assert [advice.level for advice in advise(facts)] == ["gains", "gains", "note"]
    assert "hybrid m.asgi:app" in of(facts, "async views").text
    assert "--threads 8" in of(facts, "waiting").text
    assert of(replace(WSGI, django=DjangoFacts(has_channels=True)), "websockets").level == "gains"


def test_what_would_not_is_said_too() -> None:
    assert of(replace(WSGI, views=(SYNC,)), "stay").level == "note"


def test_project_with_both_interfaces() -> None:
    assert "m.wsgi:app is WSGI" in of(replace(ASGI, twin="m.wsgi:app"), "both").text
    assert "m.asgi:app is ASGI" in of(replace(WSGI, twin="m.asgi:app"), "both").text


def test_what_matters_most_comes_first() -> None:
    facts = replace(
        ASGI, views=(GUILTY, SYNC), modules=frozenset({"boto3"}), twin="m.wsgi:app", missing=("routes: error",)
    )
    assert [advice.level for advice in advise(facts)] == ["blocks", "costs", "note", "note", "note"]
