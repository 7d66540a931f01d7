"""Tasks that wait for a connection to change: woken together, and forgotten when they are cancelled.

A future for each of them: cancelling one must not cancel the others.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

Waiters: TypeAlias = list[asyncio.Future[None]]


async def wait_among(waiters: Waiters, loop: asyncio.AbstractEventLoop) -> None:
    """Until `wake()`. A list that many cancelled tasks have waited in is as short as if they never had."""
    waiter: asyncio.Future[None] = loop.create_future()
    waiters.append(waiter)
    try:
        await waiter
    except asyncio.CancelledError:
        if waiter in waiters:
            waiters.remove(waiter)
        raise


def wake(waiters: Waiters) -> None:
    """All of them, and empty the list."""
    woken = waiters.copy()
    waiters.clear()
    for waiter in woken:
        if not waiter.done():
            waiter.set_result(None)
