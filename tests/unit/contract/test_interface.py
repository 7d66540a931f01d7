"""Which interface an object speaks, and which worker class serves it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hybrid.contract.interface import Detected, choose_worker, detect, interface_of
from hybrid.errors import AppLoadError
from hybrid.settings import Settings


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi_app(scope: Any, receive: Any, send: Any) -> None: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def method(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...


class PlainCallReturningCoroutine:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any: ...


class Asgi2Class:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class WsgiResponseClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class AwaitableClass:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Iterator[Any]:
        return iter(())


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def forwarding(function: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


def with_extra(extra: Any, environ: Any, start_response: Any) -> list[bytes]:
    return []


async def async_with_extra(scope: Any, receive: Any, send: Any, extra: Any = None) -> None: ...


def wsgi_with_default(environ: Any, start_response: Any, exc_info: Any = None) -> list[bytes]:
    return []


def two(a: Any, b: Any) -> Any: ...


def three(a: Any, b: Any, c: Any) -> Any: ...


def two_or_three(a: Any, b: Any, c: Any = None) -> Any: ...


def double_callable(scope: Any) -> Any: ...


async def async_two(a: Any, b: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (wsgi_app, "wsgi"),
        (asgi_app, "asgi"),
        (WsgiObject(), "wsgi"),
        (AsgiObject(), "asgi"),
        (WsgiObject().method, "wsgi"),
        (AsgiObject().method, "asgi"),
        (PlainCallReturningCoroutine(), "asgi"),
        (Asgi2Class, "asgi2"),
        (double_callable, "asgi2"),
        (WsgiResponseClass, "wsgi"),
        (AwaitableClass, "asgi"),
        (functools.partial(wsgi_app), "wsgi"),
        (functools.partial(with_extra, 1), "wsgi"),
        (functools.partial(asgi_app), "asgi"),
        (functools.partial(functools.partial(async_with_extra, extra=1)), "asgi"),
        (functools.partial(AsgiObject()), "asgi"),
        (functools.partial(WsgiObject()), "wsgi"),
        (wrapped(wsgi_app), "wsgi"),
        (wrapped(asgi_app), "asgi"),
        (wrapped(wrapped(asgi_app)), "asgi"),
        (wsgi_with_default, "wsgi"),
        (async_with_extra, "asgi"),
        (two, "wsgi"),
        (three, "asgi"),
        (lambda e, s: [], "wsgi"),
        (lambda s, r, d: None, "asgi"),
        (two_or_three, "ambiguous"),
        (forwarding(wsgi_app), "ambiguous"),
        (async_two, "ambiguous"),
        (WsgiObject, "ambiguous"),
        (AsgiObject, "ambiguous"),
        (lambda: wsgi_app, "ambiguous"),
        (lambda one: None, "ambiguous"),
        (SimpleNamespace, "ambiguous"),
        (print, "ambiguous"),
        (dict, "ambiguous"),
    ],
)
def test_interface(app: object, interface: str) -> None:
    detected = detect(app)
    assert (detected.interface, bool(detected.reason)) == (interface, True), detected.reason


def test_plain_function_may_be_marked_as_a_coroutine_function() -> None:
    from asgiref.sync import markcoroutinefunction

    assert detect(markcoroutinefunction(lambda *args: None)).interface == "asgi"


def test_function_without_arguments_hints_at_a_factory() -> None:
    assert "--factory" in detect(lambda: None).reason


def test_class_of_an_application_hints_at_an_instance() -> None:
    assert "name an instance of it" in detect(AsgiObject).reason


def test_reason_names_the_type() -> None:
    assert "AsgiObject object" in detect(AsgiObject()).reason


def test_looking_calls_nothing() -> None:
    calls: list[object] = []

    class Nosy:
        def __call__(self, *args: object) -> None:
            calls.append(args)

        def __getattr__(self, name: str) -> object:
            if name == "__wrapped__":
                raise AttributeError(name)
            return lambda *args: calls.append(args)

    assert detect(Nosy()).interface == "ambiguous"
    assert calls == []


# -- real frameworks -------------------------------------------------------------------------------


def _made(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def test_flask_is_wsgi() -> None:
    flask: Any = _made("flask:Flask")
    assert detect(flask(__name__)).interface == "wsgi"


@pytest.mark.parametrize("path", ["starlette.applications:Starlette", "fastapi:FastAPI"])
def test_starlette_and_fastapi_are_asgi(path: str) -> None:
    application: Any = _made(path)
    assert detect(application()).interface == "asgi"


@pytest.mark.parametrize(
    ("path", "interface"),
    [("django.core.handlers.wsgi:WSGIHandler", "wsgi"), ("django.core.handlers.asgi:ASGIHandler", "asgi")],
)
def test_django_is_what_its_handler_is(path: str, interface: str) -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    handler: Any = _made(path)
    assert detect(handler()).interface == interface


def test_channels_router_is_asgi() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    router: Any = _made("channels.routing:ProtocolTypeRouter")
    assert detect(router({})).interface == "asgi"


def test_bridge_of_asgiref_is_asgi() -> None:
    bridge: Any = _made("asgiref.wsgi:WsgiToAsgi")
    assert detect(bridge(wsgi_app)).interface == "asgi"


# -- the worker class ------------------------------------------------------------------------------

WSGI, ASGI, ASGI2 = (Detected(interface, "seen") for interface in ("wsgi", "asgi", "asgi2"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "threads", "detected", "name"),
    [
        ("auto", 1, WSGI, "sync"),
        ("auto", 4, WSGI, "gthread"),
        ("auto", 4, ASGI, "asgi"),
        ("auto", 1, ASGI2, "asgi"),
        ("sync", 1, WSGI, "sync"),
        ("sync", 4, WSGI, "gthread"),
        ("gthread", 1, WSGI, "gthread"),
        ("gevent", 4, WSGI, "gevent"),
        ("asgi", 1, ASGI, "asgi"),
        ("asgi", 1, WSGI, "asgi"),
        ("my.module:Worker", 4, ASGI, "my.module:Worker"),
    ],
)
def test_worker_class(wanted: str, threads: int, detected: Detected, name: str) -> None:
    chosen, why = choose_worker(Settings(worker_class=wanted, threads=threads), detected)
    assert chosen == name
    assert why


@pytest.mark.parametrize("name", ["sync", "gthread", "gevent"])
def test_asgi_under_a_wsgi_worker_is_refused_with_the_command_that_works(name: str) -> None:
    with pytest.raises(
        AppLoadError, match=rf"is ASGI \(seen\), which worker class {name} cannot serve; run: hybrid -k asgi m:a"
    ):
        choose_worker(Settings(app="m:a", worker_class=name), ASGI)


def test_ambiguous_application_is_refused_with_both_commands() -> None:
    with pytest.raises(AppLoadError, match=r"hybrid --interface asgi m:a, or hybrid --interface wsgi m:a"):
        choose_worker(Settings(app="m:a"), detect(two_or_three))


def test_interface_option_overrides() -> None:
    detected = interface_of(Settings(interface="wsgi"), asgi_app)
    assert (detected.interface, detected.reason) == ("wsgi", "set by --interface")
    assert interface_of(Settings(), asgi_app).interface == "asgi"
