"""The guides of docs/migration.md, as steps with commands that a test can take."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from tests.integration.server import EXAMPLES, ROOT

PAGE = ROOT / "docs" / "migration.md"


class Step(NamedTuple):
    title: str
    commands: list[list[str]]
    """The words of each command in the blocks that say `sh`."""
    settings: list[str]
    """What the blocks that say `toml` have."""


def guide(title: str) -> list[Step]:
    """The steps of the section with this title, in order."""
    sections = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    section = dict(zip(sections[1::2], sections[2::2], strict=True))[title]
    parts = re.split(r"^### (.+)$", section, flags=re.MULTILINE)
    return [_step(name, text) for name, text in zip(parts[1::2], parts[2::2], strict=True)]


def _step(title: str, text: str) -> Step:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
    settings = [block.removeprefix("# hybrid.toml\n") for kind, block in blocks if kind == "toml"]
    return Step(title, [shlex.split(line) for line in lines if line.strip()], settings)


def example(path: str) -> str:
    """A settings file of the examples, without what it says about itself."""
    lines = (EXAMPLES / path).read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))
