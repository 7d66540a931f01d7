"""The lines of an environment file."""

from __future__ import annotations

import pytest

from hybrid.errors import SettingsError
from hybrid.settings.env_file import parse_env


def test_lines_are_pairs() -> None:
    text = """
# a comment
A=1
export B = two words   # not this
C='as $it is # all'
D="a \\"quote\\" and\\na line"  # not this
E=
"""
    assert parse_env(text, ".env") == ("A=1", "B=two words", "C=as $it is # all", 'D=a "quote" and\na line', "E=")


@pytest.mark.parametrize("line", ["no separator", "1A=2", "A='open"])
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(SettingsError, match=r"\.env:2"):
        parse_env(f"OK=1\n{line}\n", ".env")
