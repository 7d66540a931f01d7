"""What `hybrid route`, `routes`, `promote` and `rollback` do: one request of the control socket, one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid.arbiter.crossings import Crossings
from hybrid.errors import SettingsError

if TYPE_CHECKING:
    from hybrid.routing.live import LiveRoutes

COMMANDS = ("routes", "route", "promote", "rollback")
_STICKY = ("cookie", "client", "none")


def answer(crossings: Crossings, request: dict[str, Any], now: float) -> tuple[str, dict[str, object]]:
    """Do it; what to say, and the routes as they are then. `now` is seconds since 1970. Raises SettingsError."""
    text = _do(crossings, request, now) if request["command"] != "routes" else ""
    live = crossings.routes.live
    if live is None:
        raise SettingsError("this server has one pool and no routes; give it --pool and --route")
    from hybrid.routing import to_tables, to_toml

    return text, {
        "routes": to_tables(live.current),
        "configured": to_tables(live.configured),
        "is_changed": live.is_changed,
        "toml": to_toml(live.current),
        "version": crossings.version,
        "changes": [{"at": change.at, "text": change.text} for change in live.changes],
    }


def _do(crossings: Crossings, request: dict[str, Any], now: float) -> str:
    match request["command"]:
        case "route" if request.get("remove"):
            return crossings.change(lambda live: live.without_route(_text(request, "remove"), now))
        case "route":
            sticky = request.get("sticky")
            if sticky is not None and sticky not in _STICKY:
                raise SettingsError(f"route: sticky: found {str(sticky)[:40]!r}, expected one of {', '.join(_STICKY)}")
            return crossings.change(lambda live: live.with_route(_text(request, "route"), now, sticky))
        case "promote":
            pattern, pool = _text(request, "pattern"), _text(request, "pool")
            return crossings.change(lambda live: live.promoted(pattern, pool, now))
        case _:
            undone: list[str] = []

            def roll_back(live: LiveRoutes) -> LiveRoutes:
                live, text = live.rolled_back(_text(request, "pattern", ""))
                undone.append(text)
                return live

            done = crossings.change(roll_back)
            return f"{done}; taken back: {undone[0]}"


def _text(request: dict[str, Any], key: str, default: str | None = None) -> str:
    value = request.get(key, default)
    if not isinstance(value, str) or len(value) > 2000:
        raise SettingsError(f"{request['command']}: {key}: expected text of up to 2000 characters")
    return value
