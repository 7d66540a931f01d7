"""Routes that are changed while the server runs."""

from __future__ import annotations

import random

import pytest

from hybrid.errors import SettingsError
from hybrid.routing import Route, from_tables, parse_route
from hybrid.routing.live import MOST_CHANGES, LiveRoutes, from_json, to_json

POOLS = ("legacy", "modern")


def live(*routes: str) -> LiveRoutes:
    made = tuple(parse_route(route) for route in routes)
    return LiveRoutes(made, made)


def shown(routes: LiveRoutes) -> list[str]:
    return [str(route) for route in routes.current]


def test_route_replaces_the_one_of_its_pattern_or_is_added() -> None:
    changed = live("/api/*=legacy").with_route("/api/*=legacy:90,modern:10", 1.0).with_route("/x=modern", 2.0)
    assert shown(changed) == ["/api/*=legacy:90,modern:10", "/x=modern"]
    assert [change.text for change in changed.changes] == ["route /api/*=legacy:90,modern:10", "route /x=modern"]
    assert changed.is_changed


def test_route_keeps_its_stickiness_unless_another_is_asked_for() -> None:
    (route,) = from_tables([{"path": "/a", "pool": "legacy", "sticky": "client"}])
    before = LiveRoutes((route,), (route,))
    assert before.with_route("/a=modern", 1.0).current[0].sticky == "client"
    assert before.with_route("/a=modern", 1.0, "none").current[0].sticky == "none"


def test_change_to_what_is_there_already_is_none() -> None:
    before = live("/a=legacy")
    assert before.with_route("/a=legacy", 1.0) is before


def test_promotion_gives_one_pool_everything() -> None:
    assert shown(live("/*=legacy:50,modern:50").promoted("*", "modern", 1.0)) == ["/*=legacy:0,modern:100"]
    with pytest.raises(SettingsError, match=r"promote /b: there is no such route; there are: /a"):
        live("/a=legacy").promoted("/b", "modern", 1.0)


def test_route_with_header_fields_is_found_by_its_path() -> None:
    routes = from_tables([{"path": "/a", "header": "X-Beta: 1", "pool": "legacy"}])
    assert LiveRoutes(routes, routes).promoted("/a", "modern", 1.0).current[0].weight_of("modern") == 100


def test_removed_route_is_gone_and_comes_back() -> None:
    removed = live("/a=legacy", "/b=legacy").without_route("/a", 1.0)
    assert shown(removed) == ["/b=legacy"]
    assert sorted(shown(removed.rolled_back()[0])) == ["/a=legacy", "/b=legacy"]


def test_rollback_takes_back_change_after_change() -> None:
    changed = live("/a=legacy").with_route("/a=modern", 1.0).with_route("/b=modern", 2.0)
    once, text = changed.rolled_back()
    assert (shown(once), text) == (["/a=modern"], "route /b=modern")
    twice, text = once.rolled_back()
    assert (shown(twice), text, twice.is_changed) == (["/a=legacy"], "route /a=modern", False)
    with pytest.raises(SettingsError, match="rollback: there is no change to take back"):
        twice.rolled_back()


def test_rollback_of_a_pattern_leaves_the_others() -> None:
    changed = live("/a=legacy").with_route("/a=modern", 1.0).with_route("/b=modern", 2.0)
    back, _ = changed.rolled_back("/a")
    assert shown(back) == ["/a=legacy", "/b=modern"]
    assert shown(back.rolled_back()[0]) == ["/a=legacy"]
    with pytest.raises(SettingsError, match="rollback /a: there is no change to take back"):
        back.rolled_back("/a")


def test_any_number_of_changes_can_be_taken_back_one_by_one() -> None:
    seed = random.randrange(1 << 30)
    draw = random.Random(seed)
    states = [live("/a=legacy", "/b=legacy")]
    for step in range(MOST_CHANGES):
        path, weight = draw.choice("abc"), draw.randrange(1, 100)
        states.append(states[-1].with_route(f"/{path}=legacy:{weight},modern:{step + 1}", float(step)))
    found = states[-1]
    for expected in reversed(states[:-1]):
        found, _ = found.rolled_back()
        assert sorted(shown(found)) == sorted(shown(expected)), f"seed {seed}"


def test_history_is_bounded() -> None:
    found = live("/a=legacy")
    for step in range(2 * MOST_CHANGES):
        found = found.with_route(f"/a=legacy:{step + 1},modern:1", float(step))
    assert len(found.changes) == MOST_CHANGES


# reloads --------------------------------------------------------------------------------------------


def configured(*routes: str) -> tuple[Route, ...]:
    return tuple(parse_route(route) for route in routes)


def test_live_change_stays_while_the_settings_say_the_same() -> None:
    changed = live("/a=legacy", "/b=legacy").with_route("/a=modern", 1.0)
    after, lines = changed.reconfigured(configured("/b=legacy", "/a=legacy"), POOLS, 2.0)
    assert shown(after) == ["/a=modern", "/b=legacy"]
    assert lines[0].startswith("Routes: live changes stay in force: /a=modern; /b=legacy")


def test_settings_with_other_routes_have_the_last_word() -> None:
    changed = live("/a=legacy").with_route("/a=legacy:90,modern:10", 1.0)
    after, lines = changed.reconfigured(configured("/a=modern"), POOLS, 2.0)
    assert shown(after) == ["/a=modern"]
    assert "replace the live ones (/a=legacy:90,modern:10); hybrid rollback brings those back" in lines[0]
    assert shown(after.rolled_back()[0]) == ["/a=legacy:90,modern:10"]


def test_settings_that_say_what_is_live_end_the_difference() -> None:
    changed = live("/a=legacy").with_route("/a=modern", 1.0)
    after, lines = changed.reconfigured(configured("/a=modern"), POOLS, 2.0)
    assert (shown(after), after.is_changed, lines) == (["/a=modern"], False, ())


def test_without_live_changes_a_reload_says_nothing() -> None:
    after, lines = live("/a=legacy").reconfigured(configured("/a=modern"), POOLS, 2.0)
    assert (shown(after), lines) == (["/a=modern"], ())
    assert live("/a=legacy").reconfigured(configured("/a=legacy"), POOLS, 2.0) == (live("/a=legacy"), ())


def test_live_routes_to_a_pool_that_is_gone_give_way() -> None:
    changed = live("/a=legacy").with_route("/a=modern", 1.0)
    after, lines = changed.reconfigured(configured("/a=legacy"), ("legacy",), 2.0)
    assert shown(after) == ["/a=legacy"]
    assert "there is no pool 'modern'" in lines[0]


# the file -------------------------------------------------------------------------------------------


def test_file_brings_everything_back() -> None:
    tables = [{"path": "/a", "host": "x.org", "methods": "GET", "header": "X-A: 1", "pool": "legacy", "sticky": "none"}]
    routes = from_tables(tables)
    found = LiveRoutes(routes, routes).with_route("/é=modern", 1.5).without_route("/é", 2.5)
    found = found.promoted("GET x.org/a", "b", 3.5)
    assert len(found.changes) == 3
    assert from_json(to_json(found), "state") == found


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": 2}', '{"format": 1}', '{"format": 1, "routes": 5}']
)
def test_file_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"state\.json: "):
        from_json(text, "state.json")
