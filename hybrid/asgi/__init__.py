"""From requests to ASGI and back: scopes, the request cycle, lifespan. No sockets: a worker brings the connection."""

from hybrid.asgi.answering import TAIL
from hybrid.asgi.cycle import Connection, Cycle
from hybrid.asgi.departure import is_departure
from hybrid.asgi.double import single_callable
from hybrid.asgi.lifespan import Lifespan
from hybrid.asgi.request_cycle import RequestCycle
from hybrid.asgi.scope import Scopes
from hybrid.asgi.types import App, Message, Receive, Scope, Send
from hybrid.asgi.waiters import Waiters, wait_among, wake

__all__ = [
    "TAIL",
    "App",
    "Connection",
    "Cycle",
    "Lifespan",
    "Message",
    "Receive",
    "RequestCycle",
    "Scope",
    "Scopes",
    "Send",
    "Waiters",
    "is_departure",
    "single_callable",
    "wait_among",
    "wake",
]
