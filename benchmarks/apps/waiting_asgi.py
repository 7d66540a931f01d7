"""Waits 10 ms, as for a database."""

import asyncio

from plain_asgi import hello


async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(0.01)
        await hello(scope, receive, send)
