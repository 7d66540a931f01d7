"""What is seen of applications without calling them."""

from __future__ import annotations

import time
from time import sleep
from types import ModuleType
from typing import Any

import pytest

from hybrid.advice.facts import View
from hybrid.advice.gather import gather, view
from hybrid.settings import Settings

requests = ModuleType("requests")
botocore_client = type("Client", (), {"__module__": "botocore.client"})()


async def sleeps() -> None:
    time.sleep(1)


async def sleeps_by_name() -> None:
    sleep(1)


async def only_reads_the_clock() -> None:
    time.monotonic()


async def calls_requests() -> Any:
    return requests.get("http://192.0.2.1")


async def calls_a_client_object() -> Any:
    return botocore_client.list_buckets()


def plain() -> Any:
    return requests.get("http://192.0.2.1")


@pytest.mark.parametrize(
    ("function", "is_async", "blocking"),
    [
        (sleeps, True, ("time.sleep",)),
        (sleeps_by_name, True, ("time.sleep",)),
        (only_reads_the_clock, True, ()),
        (calls_requests, True, ("requests",)),
        (calls_a_client_object, True, ("botocore",)),
        (plain, False, ("requests",)),
    ],
)
def test_blocking_calls_are_seen_in_the_code(function: Any, is_async: bool, blocking: tuple[str, ...]) -> None:
    found = view("/x", function)
    assert (found.is_async, found.blocking) == (is_async, blocking)
    assert found.where.startswith(__file__)


def test_fastapi() -> None:
    from fastapi import APIRouter, FastAPI

    app, router = FastAPI(), APIRouter(prefix="/api")
    app.get("/async")(sleeps)
    router.get("/plain")(plain)
    app.include_router(router, prefix="/v1")
    facts = gather(Settings(app="m:app"), app, is_asgi=True, worker_class="asgi")
    assert facts.framework == "fastapi"
    assert facts.missing == ()
    assert [(view.path, view.is_async, view.blocking) for view in facts.views] == [
        ("/async", True, ("time.sleep",)),
        ("/v1/api/plain", False, ("requests",)),
    ]
    assert facts.threads == Settings().sync_threads


def test_starlette_mounts_and_endpoints() -> None:
    from starlette.applications import Starlette
    from starlette.endpoints import HTTPEndpoint
    from starlette.routing import Mount, Route

    class Page(HTTPEndpoint):
        async def get(self, request: Any) -> Any: ...

        def post(self, request: Any) -> Any: ...

    async def page(request: Any) -> Any: ...

    app = Starlette(routes=[Mount("/in", routes=[Route("/page", page)]), Route("/class", Page)])
    views = gather(Settings(), app, is_asgi=True, worker_class="asgi").views
    assert [(view.path, view.is_async) for view in views] == [("/in/page", True), ("/class", True), ("/class", False)]


def test_flask() -> None:
    from flask import Flask

    app = Flask("m")
    app.route("/x")(plain)
    facts = gather(Settings(threads=3), app, is_asgi=False, worker_class="gthread")
    assert [(one.path, one.is_async, one.blocking) for one in facts.views] == [("/x", False, ("requests",))]
    assert facts.threads == 3


def test_unknown_application_has_no_views() -> None:
    facts = gather(Settings(app="no.such.asgi:app"), lambda e, s: None, is_asgi=False, worker_class="sync")
    assert facts.views == ()
    assert facts.django is None


def test_what_raises_is_missing_and_no_error() -> None:
    from starlette.applications import Starlette

    class Broken(Starlette):
        @property
        def routes(self) -> Any:
            raise LookupError("apps are not ready")

    facts = gather(Settings(), Broken(), is_asgi=True, worker_class="asgi")
    assert facts.missing == ("routes: LookupError: apps are not ready",)
    assert facts.views == ()


def test_class_based_view_of_django() -> None:
    from django.views import View as DjangoView

    class Page(DjangoView):
        async def get(self, request: Any) -> Any:
            time.sleep(1)

    found = view("/page", Page.as_view())
    assert isinstance(found, View)
    assert (found.is_async, found.blocking) == (True, ("time.sleep",))
    assert found.name.endswith("Page")
