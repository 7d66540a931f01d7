"""What `hybrid check` says beyond the interface: what would block an event loop, and what would gain from one."""

from hybrid.advice.facts import Database, DjangoFacts, Facts, Pooled, View
from hybrid.advice.rules import Advice, advise

__all__ = ["Advice", "Database", "DjangoFacts", "Facts", "Pooled", "View", "advise"]
