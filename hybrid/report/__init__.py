"""From what the arbiter knows of a migration to what a team can decide by. Pure."""

from hybrid.report.facts import Facts, read_facts
from hybrid.report.page import page
from hybrid.report.text import text
from hybrid.report.verdict import verdicts_json

__all__ = ["Facts", "page", "read_facts", "text", "verdicts_json"]
