"""Which interface an application speaks, found by looking at it, and which worker class serves it.

Nothing is called: an application may have effects. Looked at are, in this order, what the object
is (coroutine function, class, instance), how many arguments a call takes, and what they are named.
Where that leaves a doubt the answer is "ambiguous", and the operator decides with --interface.

A decorator that copies a signature (functools.wraps) makes a function show the arguments of what it wraps. What it
declares itself comes first, as an adapter of one interface to the other wraps just what it is not.
"""

from __future__ import annotations

import functools
import inspect
from typing import Literal, NamedTuple, TypeAlias

from hybrid.errors import AppLoadError
from hybrid.settings import Settings

Interface: TypeAlias = Literal["asgi", "asgi2", "wsgi", "ambiguous", "neither"]
"""`neither`: an application of a framework that brings a server of its own and speaks no common interface."""

ASGI_NAMES = ("scope", "receive", "send")
WSGI_NAMES = ("environ", "start_response")

NEITHER = {
    "aiohttp.web_app.Application": "aiohttp",
    "tornado.web.Application": "Tornado",
    "tornado.wsgi.WSGIContainer": "Tornado",
    "robyn.Robyn": "Robyn",
    "japronto.app.Application": "Japronto",
}
"""Classes of applications that no WSGI or ASGI server can run, and their framework: calling them would only confuse."""


class Detected(NamedTuple):
    """The interface, and the reason in a few words for the log."""

    interface: Interface
    reason: str

    @property
    def is_asgi(self) -> bool:
        return self.interface in ("asgi", "asgi2")


def detect(app: object) -> Detected:
    """What the application speaks. Pure introspection; never raises for a strange object."""
    if inspect.isclass(app):
        return _of_class(app)
    framework = _framework_with_a_server(app)
    if framework:
        return Detected("neither", f"{framework} speaks neither WSGI nor ASGI, but brings a server of its own")
    target, what = _target(app)
    own = _own_declaration(target, what)
    if own is not None:
        return own
    if _is_coroutine_function(target):
        return _of_coroutine(target, what)
    return _of_call(target, what)


def _framework_with_a_server(app: object) -> str:
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(app).__mro__)
    return next((NEITHER[name] for name in names if name in NEITHER), "")


def _own_declaration(target: object, what: str) -> Detected | None:
    """What a wrapper says of itself, where that differs from what it wraps; None if it says nothing certain."""
    if not inspect.isroutine(target) or not hasattr(target, "__wrapped__"):
        return None
    own = _call(target, is_own=True)
    if own is None:
        return None
    if own.begins(ASGI_NAMES) or (_is_marked_coroutine(target) and own.takes(3) and own.most == 3):
        return Detected("asgi", f"{what} of (scope, receive, send) around another")
    if own.begins(WSGI_NAMES) and not _is_marked_coroutine(target):
        return Detected("wsgi", f"{what} of (environ, start_response) around another")
    return None


def _target(app: object) -> tuple[object, str]:
    """What runs when `app` is called, and how to name it."""
    inner = app
    while isinstance(inner, functools.partial):
        inner = inner.func
    if inspect.isroutine(inner):
        return app, "partial" if inner is not app else "function"
    if inner is not app:
        return app, "partial"
    return getattr(app, "__call__", app), f"{type(app).__module__}.{type(app).__qualname__} object"  # noqa: B004 - the bound method is wanted


def _is_coroutine_function(target: object) -> bool:
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target):
        target = getattr(target, "__call__", target)  # noqa: B004 - the bound method is wanted
    return _is_marked_coroutine(target)


def _is_marked_coroutine(target: object) -> bool:
    if inspect.iscoroutinefunction(target):
        return True
    # asyncio's own mark, which libraries put on what they cannot write as `async def`. On a mere stand-in
    # that has every attribute it would be anything but this.
    return type(getattr(target, "_is_coroutine", None)) is object


class _Call(NamedTuple):
    """How something may be called with positional arguments. `most` is infinite for *args."""

    least: int
    most: float
    names: tuple[str, ...]

    def takes(self, count: int) -> bool:
        return self.least <= count <= self.most

    def begins(self, names: tuple[str, ...]) -> bool:
        return tuple(name.lstrip("_").lower() for name in self.names[: len(names)]) == names


def _call(target: object, *, is_own: bool = False) -> _Call | None:
    """None when the object does not tell (C code) or needs keyword arguments. `is_own`: not of what it wraps."""
    try:
        parameters = inspect.signature(target, follow_wrapped=not is_own).parameters.values()  # type: ignore[arg-type]  # anything callable will do
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return None
    has_rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return _Call(
        sum(p.default is p.empty for p in positional),
        float("inf") if has_rest else len(positional),
        tuple(p.name for p in positional),
    )


def _of_coroutine(target: object, what: str) -> Detected:
    call = _call(target)
    if call is None or call.takes(3):
        return Detected("asgi", f"coroutine {what}" if what == "function" else f"{what} with a coroutine call")
    return Detected(
        "ambiguous", f"a coroutine {what} that cannot be called with the three arguments of ASGI (scope, receive, send)"
    )


def _of_call(target: object, what: str) -> Detected:
    call = _call(target)
    if call is None:
        return Detected("ambiguous", f"the arguments of this {what} cannot be found out")
    if call.begins(ASGI_NAMES):
        return Detected("asgi", f"{what} of (scope, receive, send)")
    if call.begins(WSGI_NAMES) and call.takes(2):
        return Detected("wsgi", f"{what} of (environ, start_response)")
    wrapped = inspect.unwrap(target, stop=_is_marked_coroutine) if callable(target) else target
    if wrapped is not target and _is_marked_coroutine(wrapped):
        return Detected("asgi", f"{what} that wraps a coroutine function")
    if call.least == 1 and call.begins(("scope",)):
        return Detected("asgi2", f"{what} of (scope), the double callable of ASGI 2")
    fits_wsgi, fits_asgi = call.takes(2), call.takes(3)
    if fits_wsgi and not fits_asgi:
        return Detected("wsgi", f"{what} of two arguments")
    if fits_asgi and not fits_wsgi:
        return Detected("asgi", f"{what} of three arguments")
    if fits_wsgi:
        return Detected("ambiguous", f"this {what} can be called with two arguments and with three")
    if call.least == 0:
        return Detected("ambiguous", f"this {what} takes no arguments; if it is a factory, say --factory")
    return Detected("ambiguous", f"this {what} takes {_counted(call)}, where WSGI gives two and ASGI three")


def _counted(call: _Call) -> str:
    return "1 argument" if call.least == 1 else f"{call.least} arguments"


def _of_class(app: type) -> Detected:
    """Calling a class makes an instance: in WSGI the response, in ASGI 2 what takes the other two arguments."""
    name = f"class {app.__module__}.{app.__qualname__}"
    call = _call(app)
    if call is not None and call.takes(2) and hasattr(app, "__iter__"):
        return Detected("wsgi", f"{name} of two arguments with iterable instances")
    instance = inspect.getattr_static(app, "__call__", None)
    if (
        call is not None
        and call.takes(1)
        and call.least == 1
        and instance is not None
        and not _names_match(instance, ASGI_NAMES)
    ):
        if _is_marked_coroutine(instance):
            return Detected("asgi2", f"{name} of (scope) with a coroutine call, the double callable of ASGI 2")
        if call.begins(("scope",)):
            return Detected("asgi2", f"{name} of (scope), the double callable of ASGI 2")
    if call is not None and call.least == 2 and call.begins(WSGI_NAMES):
        return Detected("wsgi", f"{name} of (environ, start_response)")
    if call is not None and call.takes(3) and hasattr(app, "__await__"):
        return Detected("asgi", f"{name} of three arguments with awaitable instances")
    return Detected("ambiguous", f"{name} is a class; name an instance of it, or say --factory")


def _names_match(method: object, names: tuple[str, ...]) -> bool:
    call = _call(method)
    return call is not None and call.names[1:] == names


def interface_of(settings: Settings, app: object) -> Detected:
    """What `--interface` says, else what `detect` finds."""
    if settings.interface in ("asgi", "asgi2", "wsgi"):
        return Detected(settings.interface, "set by --interface")  # type: ignore[arg-type]  # one of the literals, just tested
    return detect(app)


WSGI_ONLY = ("sync", "gthread", "gevent")


def choose_worker(settings: Settings, detected: Detected) -> tuple[str, str]:
    """The name of the worker class for this application, and why. Raises AppLoadError for a pair that cannot work."""
    name, app = settings.worker_class, settings.app
    if detected.interface == "ambiguous":
        raise AppLoadError(
            f"application {app!r}: cannot tell whether it is ASGI or WSGI: {detected.reason};"
            f" say which: hybrid --interface asgi {app}, or hybrid --interface wsgi {app}"
        )
    if detected.interface == "neither":
        raise AppLoadError(
            f"application {app!r}: {detected.reason}; start it as its documentation says, or, if it has an"
            " adapter to WSGI or ASGI, name the adapted object instead"
        )
    if name == "auto":
        if detected.is_asgi:
            return "asgi", "the application is ASGI"
        if settings.threads > 1:
            return "gthread", f"the application is WSGI and threads is {settings.threads}"
        return "sync", "the application is WSGI"
    if detected.is_asgi and name in WSGI_ONLY:
        raise AppLoadError(
            f"application {app!r} is ASGI ({detected.reason}), which worker class {name} cannot serve;"
            f" run: hybrid -k asgi {app}"
        )
    if name == "sync" and settings.threads > 1:
        return "gthread", f"sync was asked for, but threads is {settings.threads}"
    if name == "asgi" and not detected.is_asgi:
        return name, "asked for; the application is WSGI and runs in threads"
    return name, "asked for"
