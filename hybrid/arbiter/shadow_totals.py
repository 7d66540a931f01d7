"""What the shadow workers have found, one after the other, added up by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hybrid.contract.messages import Shadowed

MOST_RULES = 100
MOST_KINDS = 60
OTHER = "(other differences)"


@dataclass(slots=True)
class _Total:
    pattern: str
    pool: str
    percent: float = 0.0
    """0: the rule is not in force any more."""
    compared: int = 0
    agreed: int = 0
    skipped: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    real: Counter[str] = field(default_factory=Counter)
    shadow: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)
    masked: Counter[str] = field(default_factory=Counter)

    def add(self, found: Shadowed) -> None:
        self.compared += found.compared
        self.agreed += found.agreed
        self.skipped += found.skipped
        self.failed.update(found.failed)
        self.real.update(found.real)
        self.shadow.update(found.shadow)
        for kind in found.differences:
            what = str(kind["what"])
            if what not in self.kinds and len(self.kinds) >= MOST_KINDS:
                what = OTHER
            known = self.kinds.setdefault(what, {**kind, "what": what, "count": 0})
            known["count"] += kind["count"]
        for what, count in found.masked.items():
            self.masked[what if what in self.masked or len(self.masked) < MOST_KINDS else OTHER] += count

    def as_json(self) -> dict[str, object]:
        return {
            "pattern": self.pattern,
            "pool": self.pool,
            "percent": self.percent,
            "compared": self.compared,
            "agreed": self.agreed,
            "skipped": self.skipped,
            "failed": dict(self.failed),
            "real": dict(self.real),
            "shadow": dict(self.shadow),
            "differences": sorted(self.kinds.values(), key=lambda kind: -kind["count"]),
            "masked": dict(self.masked.most_common()),
        }


class ShadowTotals:
    """One per arbiter."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], _Total] = {}

    def add(self, found: Shadowed) -> None:
        self._of(found.pattern, found.pool).add(found)

    def enforce(self, rules: Iterable[tuple[str, str, float]]) -> None:
        """These are in force, by pattern, pool and percentage."""
        for total in self._totals.values():
            total.percent = 0.0
        for pattern, pool, percent in rules:
            self._of(pattern, pool).percent = percent

    def as_json(self) -> list[Mapping[str, object]]:
        return [total.as_json() for total in self._totals.values()]

    def _of(self, pattern: str, pool: str) -> _Total:
        key = (pattern, pool)
        if key not in self._totals and len(self._totals) >= MOST_RULES:
            del self._totals[next(iter(self._totals))]
        return self._totals.setdefault(key, _Total(pattern, pool))
