"""When the log says which worker class serves."""

from __future__ import annotations

import logging

import pytest

from hybrid.arbiter.classes import WorkerClasses
from hybrid.arbiter.releases import Release, Site
from hybrid.arbiter.state import Child, Plan
from hybrid.settings import Settings

LOG = logging.getLogger("tests.classes")


def release(**classes: str) -> Release:
    sites = {pool: Site(Settings(app="a:b", worker_class=name), "/") for pool, name in classes.items()}
    return Release(0, next(iter(sites.values())).settings, {}, sites)


def child(pool: str) -> Child:
    return Child(pool=pool, slot=0, generation=0, plan=Plan(size=1), since=0.0)


def test_a_class_that_is_named_is_said_at_once_and_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    classes = WorkerClasses(LOG)
    classes.adopt(release(main="gthread"))
    classes.ready(release(main="gthread"), child("main"), "worker=gthread interface=wsgi")
    classes.adopt(release(main="gthread"))
    assert caplog.messages == ["Using worker: gthread"]
    classes.adopt(release(main="sync"))
    assert caplog.messages[1:] == ["Using worker: sync"]


def test_what_auto_has_chosen_is_said_when_the_first_worker_is_ready(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    classes = WorkerClasses(LOG)
    classes.adopt(release(main="auto"))
    assert caplog.messages == []
    for _ in range(2):
        classes.ready(release(main="auto"), child("main"), "worker=asgi interface=asgi because='it is a coroutine'")
    assert caplog.messages == ["Using worker: asgi"]


def test_of_several_pools_the_line_names_pool_and_application(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    classes = WorkerClasses(LOG)
    pools = release(main="sync", api="auto")
    classes.adopt(pools)
    classes.ready(pools, child("api"), "worker=asgi")
    classes.ready(None, child("api"), "worker=sync")
    assert caplog.messages == ["Using worker: sync pool=main app=a:b", "Using worker: asgi pool=api app=a:b"]
