"""Looks at a loaded application and what it has imported, and writes down facts. Calls no view.

Each framework is looked at only if the application has imported it. What a framework does not let us see is
no reason to fail: it becomes a line under `missing`.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from hybrid.advice.blocking import BLOCKING
from hybrid.advice.facts import Database, DjangoFacts, Facts, Pooled, View
from hybrid.contract.loader import DEFAULT_ATTRIBUTES, parse_spec
from hybrid.errors import AppLoadError
from hybrid.settings import Settings

_MOST_VIEWS = 2000


def gather(settings: Settings, app: object, *, is_asgi: bool, worker_class: str) -> Facts:
    """The facts about this application, which has just been loaded in this process."""
    missing: list[str] = []

    def tried(what: str, look: Callable[[], Any], default: Any) -> Any:
        try:
            return look()
        except Exception as error:  # a project's settings, URLs and lazy imports run here: anything may come
            missing.append(f"{what}: {type(error).__name__}: {str(error)[:120]}")
            return default

    framework = _framework(app)
    django = None
    views: tuple[View, ...] = ()
    if framework == "django":
        django = tried("Django's settings", _django, None)
        views = tried("Django's URLs", lambda: tuple(_django_views()), ())
    elif framework in ("starlette", "fastapi"):
        views = tried("routes", lambda: tuple(_starlette_views(getattr(app, "routes", ()), "")), ())
    elif framework in ("flask", "quart"):
        views = tried("routes", lambda: tuple(_flask_views(app)), ())
    return Facts(
        app=settings.app,
        is_asgi=is_asgi,
        worker_class=worker_class,
        workers=settings.workers,
        threads=settings.sync_threads if worker_class == "asgi" else settings.threads,
        concurrency=settings.limit_concurrency,
        framework=framework,
        modules=frozenset(name.partition(".")[0] for name in list(sys.modules)),
        views=views[:_MOST_VIEWS],
        django=django,
        pools=tried("connection pools", lambda: tuple(_sqlalchemy_pools()), ()),
        twin=tried("the other interface", lambda: _twin(settings, is_asgi=is_asgi), ""),
        missing=tuple(missing),
    )


def _framework(app: object) -> str:
    """The framework of the application's class or one of its bases."""
    roots = [kind.__module__.partition(".")[0] for kind in type(app).__mro__]
    return next((root for root in roots if root in ("django", "fastapi", "starlette", "flask", "quart")), "")


def _twin(settings: Settings, *, is_asgi: bool) -> str:
    """The module beside this one that is called for the other interface: mysite.wsgi and mysite.asgi."""
    this, other = ("asgi", "wsgi") if is_asgi else ("wsgi", "asgi")
    try:
        spec = parse_spec(settings.app)
    except AppLoadError:
        return ""
    package, _, name = spec.module.rpartition(".")
    if name != this:
        return ""
    module = f"{package}.{other}" if package else other
    attribute = spec.attribute or DEFAULT_ATTRIBUTES[0]
    return f"{module}:{attribute}" if importlib.util.find_spec(module) is not None else ""


# -- views -----------------------------------------------------------------------------------------


def view(path: str, function: Any) -> View:
    """What there is to know of one view function, method or class-based view."""
    inner = inspect.unwrap(function)
    kind = getattr(inner, "view_class", None)
    if kind is not None and hasattr(kind, "view_is_async"):
        is_async = bool(kind.view_is_async)
        handlers = [getattr(kind, name) for name in ("get", "post", "put", "patch", "delete") if hasattr(kind, name)]
    else:
        is_async, handlers = inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(function), [inner]
    blocking = sorted({call for handler in handlers for call in _blocking_calls(inspect.unwrap(handler))})
    shown = kind or inner
    name = f"{getattr(shown, '__module__', '')}.{getattr(shown, '__qualname__', type(shown).__qualname__)}"
    return View(path, name.strip("."), is_async, _where(handlers[0] if handlers else inner), tuple(blocking))


def _where(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def _blocking_calls(function: Any) -> Iterator[str]:
    """The blocking modules that the function's own code names, by what those names are in its module."""
    code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    for name in code.co_names if code is not None else ():
        value = names.get(name)
        if value is time.sleep or (value is time and "sleep" in code.co_names):  # type: ignore[union-attr]  # no names without code
            yield "time.sleep"
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        root = home.partition(".")[0] if isinstance(home, str) else ""
        if root in BLOCKING:
            yield root


def _starlette_views(routes: Iterable[Any], prefix: str) -> Iterator[View]:
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "routes", None)
        router = getattr(route, "original_router", None)
        if router is not None:  # FastAPI keeps an included router as it is, and its prefix beside it
            inner = router.routes
            path += getattr(getattr(route, "include_context", None), "prefix", "")
        endpoint = getattr(route, "endpoint", None)
        if inner:
            yield from _starlette_views(inner, path)
        elif endpoint is not None and not _is_of_framework(endpoint):
            if inspect.isclass(endpoint):
                handlers = [
                    getattr(endpoint, name) for name in ("get", "post", "put", "delete") if hasattr(endpoint, name)
                ]
                yield from (view(path, handler) for handler in handlers)
            else:
                yield view(path, endpoint)


def _flask_views(app: Any) -> Iterator[View]:
    for rule in app.url_map.iter_rules():
        function = app.view_functions.get(rule.endpoint)
        if function is not None and not _is_of_framework(function):
            yield view(str(rule), function)


def _django_views() -> Iterator[View]:
    from django.urls import get_resolver  # type: ignore[import-untyped,unused-ignore]  # no stubs; not everywhere installed

    yield from _django_patterns(get_resolver().url_patterns, "/")


def _django_patterns(patterns: Iterable[Any], prefix: str) -> Iterator[View]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _django_patterns(pattern.url_patterns, path)
        elif not _is_of_framework(pattern.callback):
            yield view(path, pattern.callback)


def _is_of_framework(function: Any) -> bool:
    """Django's admin and the like: nobody can change them."""
    home = getattr(inspect.unwrap(function), "__module__", "") or ""
    return home.partition(".")[0] in ("django", "fastapi", "starlette", "flask", "quart")


# -- Django ----------------------------------------------------------------------------------------


def _django() -> DjangoFacts:
    from django.conf import settings  # type: ignore[import-untyped,unused-ignore]
    from django.utils.module_loading import import_string  # type: ignore[import-untyped,unused-ignore]

    sync, hopping = [], []
    for name in settings.MIDDLEWARE:
        middleware = import_string(name)
        if not getattr(middleware, "async_capable", False):
            sync.append(name)
        elif any(hasattr(middleware, hook) for hook in ("process_request", "process_response")):
            hopping.append(name)
    return DjangoFacts(
        tuple(_database(alias, values) for alias, values in settings.DATABASES.items()),
        tuple(sync),
        tuple(hopping),
        "channels" in settings.INSTALLED_APPS,
    )


def _database(alias: str, values: dict[str, Any]) -> Database:
    pool = (values.get("OPTIONS") or {}).get("pool")
    size = 0
    if pool:
        options = pool if isinstance(pool, dict) else {}
        size = options.get("max_size") or options.get("min_size") or 4
    return Database(alias, values.get("ENGINE", ""), values.get("CONN_MAX_AGE", 0), int(size))


# -- SQLAlchemy ------------------------------------------------------------------------------------


def _sqlalchemy_pools() -> Iterator[Pooled]:
    """The engines that exist by now. Found among all objects, since anything may hold them."""
    engine_module = sys.modules.get("sqlalchemy.engine")
    if engine_module is None:
        return
    import gc

    for found in gc.get_objects():
        if type(found) is engine_module.Engine and hasattr(found.pool, "size"):
            overflow = getattr(found.pool, "_max_overflow", 0)
            size = 0 if overflow < 0 else found.pool.size() + overflow
            yield Pooled(f"SQLAlchemy engine {found.url.get_backend_name()}", size, bool(found.dialect.is_async))
