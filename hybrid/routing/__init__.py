"""Which pool answers a request, and how two pools that answer the same one compare. Pure."""

from hybrid.routing.pattern import Pattern, parse_pattern
from hybrid.routing.routes import Route, Share, from_tables, parse_route, to_tables, to_toml
from hybrid.routing.table import Choice, Router, RouteTable

__all__ = [
    "Choice",
    "Pattern",
    "Route",
    "RouteTable",
    "Router",
    "Share",
    "from_tables",
    "parse_pattern",
    "parse_route",
    "to_tables",
    "to_toml",
]
