"""Routes in force, and the file that remembers them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from hybrid.arbiter import route_commands
from hybrid.arbiter.live_routes import RouteKeeper, read, write
from hybrid.errors import SettingsError
from hybrid.routing import Route, parse_route
from hybrid.routing.live import LiveRoutes

POOLS = ("legacy", "modern")


def routes(*texts: str) -> tuple[Route, ...]:
    return tuple(parse_route(text) for text in texts)


def keeper(path: Path | None = None, *texts: str) -> RouteKeeper:
    made = RouteKeeper(logging.getLogger("routes"))
    if path is not None:
        made.load(str(path))
    made.configure(routes(*(texts or ("/*=legacy",))), POOLS, str(path) if path else "")
    return made


def change(text: str) -> Any:
    return lambda live: live.with_route(text, 1.0)


def shown(made: RouteKeeper) -> list[str]:
    return [str(route) for route in made.current]


def test_change_is_in_force_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    made = keeper(path)
    before = path.read_text()
    seen: list[tuple[str, list[str], bool]] = []
    made.apply(change("/*=modern"), lambda text: seen.append((text, shown(made), path.read_text() == before)))
    assert seen == [("Routes: /*=modern (was /*=legacy)", ["/*=modern"], True)]
    assert path.read_text() != before


def test_next_arbiter_takes_up_where_the_last_one_was(tmp_path: Path) -> None:
    path = tmp_path / "state"
    keeper(path).apply(change("/*=modern"), lambda text: None)
    again = keeper(path)
    assert shown(again) == ["/*=modern"]
    assert again.live is not None
    assert again.live.is_changed


def test_change_that_is_refused_leaves_everything(tmp_path: Path) -> None:
    made = keeper(tmp_path / "state")
    before = (tmp_path / "state").read_text()
    with pytest.raises(SettingsError, match="there is no pool 'gone'"):
        made.apply(change("/*=gone"), lambda text: pytest.fail("in force"))
    assert shown(made) == ["/*=legacy"]
    assert (tmp_path / "state").read_text() == before


def test_change_to_the_same_is_said_and_not_made() -> None:
    assert keeper().apply(change("/*=legacy"), lambda text: pytest.fail("in force")) == "Routes: nothing to change"


@pytest.mark.parametrize("count", [1, 200, 260])
def test_an_upgrade_passes_on_what_is_in_force(count: int, caplog: pytest.LogCaptureFixture) -> None:
    old = keeper()
    assert old.bequeath() == "", "nothing was changed"
    for number in range(count):
        old.apply(change(f"/{number}/{'x' * 100}=modern"), lambda text: None)
    fresh = RouteKeeper(logging.getLogger("routes"))
    fresh.inherit(old.bequeath())
    fresh.configure(routes("/*=legacy"), POOLS, "")
    assert fresh.current == old.current
    assert fresh.live is not None
    assert fresh.live.changes
    assert len(old.bequeath()) < 100_000, "it is one variable of the environment"


def test_what_an_upgrade_cannot_pass_on_is_said(caplog: pytest.LogCaptureFixture) -> None:
    old = keeper()
    for number in range(1000):
        old.apply(change(f"/{number}/{'x' * 100}=modern"), lambda text: None)
    assert old.bequeath() == ""
    assert "use --routes-state to keep live changes" in caplog.text
    fresh = RouteKeeper(logging.getLogger("routes"))
    fresh.inherit('{"format": 99}')
    assert fresh.live is None
    assert "live changes cannot stay in force: upgrade: found format 99" in caplog.text


def test_failure_to_write_is_said_and_leaves_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = keeper(tmp_path / "none" / "state")
    caplog.clear()
    said = made.apply(change("/*=modern"), lambda text: None)
    assert "no such file or directory; a restart will not know of this change" in said
    assert "cannot write" in caplog.text
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write(str(tmp_path / "folder"), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert read(str(tmp_path / "none")) is None
    with pytest.raises(SettingsError, match="setting routes_state: cannot read"):
        read(str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="setting routes_state: cannot read"):
        read(str(tmp_path / "binary"))


# commands -------------------------------------------------------------------------------------------


class Crossings:
    """What the commands need of it."""

    version = 7

    def __init__(self, made: RouteKeeper) -> None:
        self.routes = made

    def change(self, act: Any) -> str:
        return self.routes.apply(act, lambda text: None)


def answer(crossings: Any, **request: object) -> tuple[str, dict[str, Any]]:
    return route_commands.answer(crossings, request, 1.0)


def test_commands_change_and_answer_with_the_routes() -> None:
    crossings = Crossings(keeper())
    text, facts = answer(crossings, command="route", route="/a=legacy:1,modern:3", sticky="none")
    assert text == "Routes: /a=legacy:1,modern:3 (was none)"
    assert facts["routes"][1] == {"path": "/a", "pools": {"legacy": 1, "modern": 3}, "sticky": "none"}
    assert (facts["is_changed"], facts["version"]) == (True, 7)
    assert answer(crossings, command="promote", pattern="/a", pool="modern")[0].startswith("Routes: /a=legacy:0,")
    assert answer(crossings, command="rollback")[0].endswith("taken back: promote /a modern")
    assert answer(crossings, command="route", remove="/a")[1]["is_changed"] is False


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"command": "route"}, "route: route: expected text of up to 2000 characters"),
        ({"command": "route", "route": 5}, "expected text"),
        ({"command": "route", "route": "/a=modern" + "x" * 2000}, "expected text"),
        ({"command": "route", "route": "/a=modern", "sticky": ["none"]}, "sticky: found .* expected one of cookie"),
        ({"command": "route", "remove": {"a": 1}}, "route: remove: expected text"),
        ({"command": "promote", "pattern": "/*"}, "promote: pool: expected text"),
        ({"command": "rollback", "pattern": None}, "rollback: pattern: expected text"),
    ],
)
def test_request_that_makes_no_sense_is_refused(request_: dict[str, object], message: str) -> None:
    crossings = Crossings(keeper())
    with pytest.raises(SettingsError, match=message):
        answer(crossings, **request_)
    assert shown(crossings.routes) == ["/*=legacy"]


def test_server_without_pools_refuses_every_command() -> None:
    crossings = Crossings(RouteKeeper(logging.getLogger("routes")))
    for request_ in (
        {"command": "routes"},
        {"command": "route", "route": "/=main"},
        {"command": "rollback"},
    ):
        with pytest.raises(SettingsError, match="this server has"):
            answer(crossings, **request_)


def test_reload_is_only_told_what_matters(caplog: pytest.LogCaptureFixture) -> None:
    made = keeper()
    made.configure(routes("/*=legacy", "/a=modern"), POOLS, "")
    assert caplog.text == ""
    assert isinstance(made.live, LiveRoutes)
    assert [change.text for change in made.live.changes] == ["reload"]
