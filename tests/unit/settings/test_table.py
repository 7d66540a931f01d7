"""What must hold for every line of the table, and for what is generated from it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from hybrid.settings import TABLE, Settings
from hybrid.settings.docs import render
from hybrid.settings.entry import GROUPS
from hybrid.settings.names import find

ROOT = Path(__file__).parents[3]


def test_every_setting_has_a_help_and_a_known_subject() -> None:
    for entry in TABLE:
        assert entry.group in GROUPS, entry.name
        assert entry.help.endswith("."), entry.name


def test_every_default_is_a_value_of_its_own_kind() -> None:
    for entry in TABLE:
        assert entry.kind.parse(entry.default) == entry.default, entry.name
        assert type(entry.kind.parse(entry.default)) is type(entry.default), entry.name


def test_no_two_settings_share_a_flag_or_a_name() -> None:
    flags = Counter(part for entry in TABLE for flag in entry.flags for part in flag.split("/"))
    assert [flag for flag, count in flags.items() if count > 1] == []
    for entry in TABLE:
        for name in (entry.name, *entry.also, entry.flag.removeprefix("--")):
            assert find(name) is entry, name


def test_common_options_are_few() -> None:
    assert 15 <= sum(entry.is_common for entry in TABLE) <= 25


def test_settings_are_frozen() -> None:
    assert dataclasses.fields(Settings)
    assert Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]  # dataclasses' own record


def test_documentation_is_up_to_date() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    assert text == render(), "docs/settings.md is out of date: make docs"


def test_documentation_has_every_setting() -> None:
    text = render()
    for entry in TABLE:
        assert f"### `{entry.name}`" in text
