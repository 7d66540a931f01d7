"""The page for gunicorn users names every setting that has no effect, in the words that the server uses."""

from __future__ import annotations

from pathlib import Path

from hybrid.settings.foreign import GUNICORN


def test_the_page_has_every_setting_without_effect() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "gunicorn.md").read_text()
    rows = {foreign.name: f"| `{foreign.name}` | {foreign.reason} |" for foreign in GUNICORN if foreign.reason}
    assert not [name for name, row in rows.items() if row not in page]
