"""Tells an application's failure from the end that it came to because its client has left."""

from __future__ import annotations

from typing import Final

from hybrid.errors import ClientGone

_OF_FRAMEWORKS: Final = frozenset({"WebSocketDisconnect", "ClientDisconnect"})
"""What Starlette and those like it raise when receive() says that the client has left. Most handlers let it pass."""


def is_departure(error: BaseException, *, is_gone: bool) -> bool:
    """Is it the ClientGone that send() raised, alone or in a group, or what a framework made of that?

    `is_gone`: the client has left; what an application raises before that is its own.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_departure(inner, is_gone=is_gone) for inner in error.exceptions)
    if not is_gone:
        return isinstance(error, ClientGone)
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ClientGone) or type(link).__name__ in _OF_FRAMEWORKS:
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False
