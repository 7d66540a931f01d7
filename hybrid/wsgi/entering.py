"""The way into an application: what is on the stack while its code runs, and is not while only ours does.

Interpreted in every build, since a compiled function leaves no frame. By these frames one tells whether a thread is in
the application's hands, so that what ends a request that is over its deadline strikes there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any, Final


def call(app: Callable[..., Iterable[bytes]], environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
    return app(environ, start_response)


def advance(following: Callable[[], bytes]) -> bytes:
    """The next piece. Raises StopIteration."""
    return following()


def close(method: Callable[[], object]) -> None:
    method()


ENTRIES: Final[frozenset[CodeType]] = frozenset(function.__code__ for function in (call, advance, close))
