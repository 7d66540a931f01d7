"""Callables of every shape that applications come in: each function here makes one. golden.json says what each is.

Frameworks that are not among the test dependencies are there twice: themselves, used where they are installed,
and as an imitation of their shape (`like_...`), which is always used.
"""

from __future__ import annotations

import functools
import importlib
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

MAKERS: dict[str, Callable[[], object]] = {}


def corpus(maker: Callable[[], object]) -> Callable[[], object]:
    MAKERS[maker.__name__] = maker
    return maker


def constant(name: str, value: object) -> None:
    MAKERS[name] = lambda: value


# -- functions -------------------------------------------------------------------------------------


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def wsgi_short(e: Any, s: Any) -> list[bytes]:
    return []


def wsgi_private(_environ: Any, _start_response: Any) -> list[bytes]:
    return []


def wsgi_optional_third(environ: Any, start_response: Any, exc_info: Any = None) -> list[bytes]:
    return []


def wsgi_positional(environ: Any, start_response: Any, /) -> list[bytes]:
    return []


def wsgi_keyword_option(environ: Any, start_response: Any, *, debug: bool = False) -> list[bytes]:
    return []


def wsgi_generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield b""


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def asgi_other_names(a: Any, b: Any, c: Any) -> None: ...


async def asgi_rest(*args: Any) -> None: ...


async def asgi_optional_fourth(scope: Any, receive: Any, send: Any, extra: Any = None) -> None: ...


def asgi_returns_coroutine(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def asgi_three(a: Any, b: Any, c: Any) -> Any: ...


def asgi2_function(scope: Any) -> Any: ...


def anything(*args: Any, **kwargs: Any) -> Any: ...


def two_or_three(a: Any, b: Any, c: Any = None) -> Any: ...


def one(request: Any) -> Any: ...


def factory() -> Any: ...


async def async_factory() -> Any: ...


async def async_two(a: Any, b: Any) -> None: ...


def four(a: Any, b: Any, c: Any, d: Any) -> Any: ...


def needs_keyword(environ: Any, start_response: Any, *, database: Any) -> Any: ...


for function in (
    wsgi, wsgi_short, wsgi_private, wsgi_optional_third, wsgi_positional, wsgi_keyword_option, wsgi_generator,
    asgi, asgi_other_names, asgi_rest, asgi_optional_fourth, asgi_returns_coroutine, asgi_three, asgi2_function,
    anything, two_or_three, one, factory, async_factory, async_two, four, needs_keyword,
):  # fmt: skip
    constant(function.__name__, function)

constant("lambda_two", lambda e, s: [])
constant("lambda_three", lambda s, r, d: asgi(s, r, d))
constant("lambda_none", lambda: wsgi)
constant("lambda_rest", lambda *args: None)


# -- objects and classes ---------------------------------------------------------------------------


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def method(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    @classmethod
    def of_class(cls, environ: Any, start_response: Any) -> list[bytes]:
        return []

    @staticmethod
    def of_none(environ: Any, start_response: Any) -> list[bytes]:
        return []


class WsgiHeir(WsgiObject): ...


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...

    @classmethod
    async def of_class(cls, scope: Any, receive: Any, send: Any) -> None: ...

    @staticmethod
    async def of_none(scope: Any, receive: Any, send: Any) -> None: ...


class AsgiSlotted:
    __slots__ = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class AsgiHeir(AsgiObject): ...


class PlainCallOfThree:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any: ...


class RestObject:
    def __call__(self, *args: Any) -> Any: ...


class AsyncRestObject:
    async def __call__(self, *args: Any) -> Any: ...


class StaticCall:
    @staticmethod
    async def __call__(scope: Any, receive: Any, send: Any) -> None: ...


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


class Deceiver:
    """Has every attribute, as mocks and lazy proxies do."""

    def __call__(self, *args: Any) -> Any: ...

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)
        return self


constant("object_wsgi", WsgiObject())
constant("object_wsgi_heir", WsgiHeir())
constant("object_asgi", AsgiObject())
constant("object_asgi_slotted", AsgiSlotted())
constant("object_asgi_heir", AsgiHeir())
constant("object_asgi_plain_call", PlainCallOfThree())
constant("object_asgi_static_call", StaticCall())
constant("object_rest", RestObject())
constant("object_async_rest", AsyncRestObject())
constant("object_deceiver", Deceiver())
constant("method_wsgi", WsgiObject().method)
constant("method_wsgi_of_class", WsgiObject.of_class)
constant("method_wsgi_static", WsgiObject.of_none)
constant("method_asgi", AsgiObject().method)
constant("method_asgi_of_class", AsgiObject.of_class)
constant("method_asgi_static", AsgiObject.of_none)
constant("method_asgi_call", AsgiObject().__call__)
constant("class_asgi2", Asgi2Class)
constant("class_wsgi_response", WsgiResponseClass)
constant("class_awaitable", AwaitableClass)
constant("class_of_wsgi_objects", WsgiObject)
constant("class_of_asgi_objects", AsgiObject)


# -- partials --------------------------------------------------------------------------------------


def wsgi_after_one(extra: Any, environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi_after_one(extra: Any, scope: Any, receive: Any, send: Any) -> None: ...


constant("partial_wsgi", functools.partial(wsgi))
constant("partial_wsgi_bound", functools.partial(wsgi_after_one, 1))
constant("partial_asgi_bound", functools.partial(asgi_after_one, 1))
constant("partial_asgi_keyword", functools.partial(asgi_optional_fourth, extra=1))
constant("partial_of_partial_asgi", functools.partial(functools.partial(asgi_after_one, 1)))
constant("partial_of_wsgi_object", functools.partial(WsgiObject()))
constant("partial_of_asgi_object", functools.partial(AsgiObject()))
constant("partial_of_method", functools.partial(AsgiObject().method))


# -- decorated -------------------------------------------------------------------------------------


def wrapping(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def async_wrapping(function: Any) -> Any:
    @functools.wraps(function)
    async def inner(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return inner


def forwarding(function: Any) -> Any:
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def to_asgi(function: Any) -> Any:
    """An adapter that keeps the name, and with it the signature, of what it adapts."""

    @functools.wraps(function)
    async def inner(scope: Any, receive: Any, send: Any) -> None: ...

    return inner


def to_asgi_other_names(function: Any) -> Any:
    @functools.wraps(function)
    async def inner(s: Any, r: Any, d: Any) -> None: ...

    return inner


def to_wsgi(function: Any) -> Any:
    @functools.wraps(function)
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        return []

    return inner


class WrappingObject:
    """A decorator that is a class, with update_wrapper."""

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


constant("wrapped_wsgi", wrapping(wsgi))
constant("wrapped_twice_wsgi", wrapping(wrapping(wsgi)))
constant("wrapped_asgi", wrapping(asgi))
constant("wrapped_async_asgi", async_wrapping(asgi))
constant("wrapped_partial", wrapping(functools.partial(wsgi_after_one, 1)))
constant("wrapped_wsgi_object", wrapping(WsgiObject().method))
constant("forwarded_wsgi", forwarding(wsgi))
constant("forwarded_asgi", forwarding(asgi))
constant("adapted_wsgi_to_asgi", to_asgi(wsgi))
constant("adapted_wsgi_to_asgi_other_names", to_asgi_other_names(wsgi))
constant("adapted_view_to_asgi", to_asgi(one))
constant("adapted_asgi_to_wsgi", to_wsgi(asgi))
constant("adapted_view_to_wsgi", to_wsgi(one))
constant("wrapping_object_of_wsgi", WrappingObject(wsgi))
constant("cached_factory", functools.cache(factory))


@corpus
def marked_as_coroutine_function() -> object:
    from asgiref.sync import markcoroutinefunction

    return markcoroutinefunction(lambda *args: None)


@corpus
def async_to_sync_of_asgi() -> object:
    """Blocks until the coroutine is done, with three arguments: no server calls it so."""
    from asgiref.sync import async_to_sync

    return async_to_sync(async_two)


@corpus
def single_dispatch() -> object:
    return functools.singledispatch(wsgi)


# -- compiled and built in -------------------------------------------------------------------------

constant("builtin_print", print)
constant("builtin_type", dict)
constant("builtin_without_signature", getattr)
constant("builtin_getter", operator.itemgetter(0))
constant("module_namespace", types.SimpleNamespace)


class compiled_object:
    """As an instance of a cdef class: its call tells no signature."""

    __call__ = operator.methodcaller("nothing")


constant("compiled_object", compiled_object())


# -- frameworks ------------------------------------------------------------------------------------


def _made(path: str, *args: Any, **kwargs: Any) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)(*args, **kwargs)


def _with_django() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure(STATIC_URL="/static/")


@corpus
def django_wsgi() -> object:
    _with_django()
    return _made("django.core.handlers.wsgi:WSGIHandler")


@corpus
def django_asgi() -> object:
    _with_django()
    return _made("django.core.handlers.asgi:ASGIHandler")


@corpus
def channels_router() -> object:
    _with_django()
    return _made("channels.routing:ProtocolTypeRouter", {})


@corpus
def asgiref_wsgi_to_asgi() -> object:
    return _made("asgiref.wsgi:WsgiToAsgi", wsgi)


@corpus
def flask() -> object:
    return _made("flask:Flask", "corpus")


@corpus
def flask_method() -> object:
    return _made("flask:Flask", "corpus").wsgi_app


@corpus
def flask_behind_proxy_fix() -> object:
    return _made("werkzeug.middleware.proxy_fix:ProxyFix", wsgi)


@corpus
def werkzeug_dispatcher() -> object:
    return _made("werkzeug.middleware.dispatcher:DispatcherMiddleware", wsgi)


@corpus
def werkzeug_request_application() -> object:
    from werkzeug.wrappers import Request

    return Request.application(one)  # type: ignore[arg-type]  # never called


@corpus
def starlette() -> object:
    return _made("starlette.applications:Starlette")


@corpus
def starlette_middleware() -> object:
    return _made("starlette.middleware.cors:CORSMiddleware", asgi)


@corpus
def starlette_router() -> object:
    return _made("starlette.routing:Router")


@corpus
def fastapi() -> object:
    return _made("fastapi:FastAPI")


@corpus
def fastapi_class() -> object:
    from fastapi import FastAPI

    return FastAPI


def real(name: str, path: str, *args: Any, method: str = "", **kwargs: Any) -> None:
    def make() -> object:
        made = _made(path, *args, **kwargs)
        return getattr(made, method)() if method else made

    MAKERS[name] = make


real("quart", "quart:Quart", "corpus")
real("falcon_wsgi", "falcon:App")
real("falcon_asgi", "falcon.asgi:App")
real("bottle", "bottle:Bottle")
real("bottle_default_app", "bottle:default_app")
real("litestar", "litestar:Litestar")
real("sanic", "sanic:Sanic", "corpus")
real("pyramid", "pyramid.config:Configurator", method="make_wsgi_app")
real("whitenoise", "whitenoise:WhiteNoise", wsgi)
real("aiohttp", "aiohttp.web:Application")
real("tornado", "tornado.web:Application")
real("tornado_wsgi_container", "tornado.wsgi:WSGIContainer", wsgi)

OPTIONAL = ("quart", "falcon", "bottle", "litestar", "sanic", "pyramid", "whitenoise", "aiohttp", "tornado")
"""Modules that are no test dependency."""


class FalconLike:
    def __call__(self, env: Any, start_response: Any) -> list[bytes]:
        return []


class FalconAsgiLike(FalconLike):
    """Its ASGI application inherits from the WSGI one."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...  # type: ignore[override]


class QuartLike:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def wsgi_app(self, environ: Any, start_response: Any) -> None: ...


class BottleLike:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class AiohttpLike(dict):  # type: ignore[type-arg]
    def __call__(self) -> Any:
        return self


AiohttpLike.__module__, AiohttpLike.__qualname__ = "aiohttp.web_app", "Application"


class TornadoLike:
    def __call__(self, request: Any) -> Any: ...


TornadoLike.__module__, TornadoLike.__qualname__ = "tornado.web", "Application"


class MyTornado(TornadoLike): ...


constant("like_falcon_wsgi", FalconLike())
constant("like_falcon_asgi", FalconAsgiLike())
constant("like_quart", QuartLike())
constant("like_bottle", BottleLike())
constant("like_aiohttp", AiohttpLike())
constant("like_tornado", TornadoLike())
constant("like_tornado_heir", MyTornado())
