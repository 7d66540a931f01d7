"""docs/conformance.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "conformance.md"


def test_every_test_that_the_table_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text()))
    assert len(named) > 100
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not (TESTS / file).exists() or not re.search(rf"^ *(async )?def {test}\(", (TESTS / file).read_text(), re.M)
    ]
    assert missing == []
