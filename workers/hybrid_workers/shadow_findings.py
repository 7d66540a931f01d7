"""What shadow traffic has shown so far, counted by rule, and told to the arbiter in parts. Pure.

Every number is of the time since it was told last, so that a successor goes on where this worker ended. Of each kind of
difference one example is kept; kinds are bounded, since a body may differ in as many places as it has.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from hybrid.contract.histogram import bucket_of
from hybrid.contract.messages import Shadowed
from hybrid.routing.compare import Comparison, Difference

MOST_KINDS: Final = 40
OTHER: Final = "(other differences)"
_MOST_TEXT: Final = 300


class Findings:
    """Of all rules."""

    def __init__(self) -> None:
        self._by_rule: dict[tuple[str, str], _Found] = {}

    def compared(
        self,
        pattern: str,
        pool: str,
        request: str,
        comparison: Comparison,
        seconds: tuple[float, float],
    ) -> None:
        """Both answers to a request are there; `seconds` are what the real one and the other took."""
        found = self._of(pattern, pool)
        found.compared += 1
        found.agreed += not comparison.differences
        for counts, taken in zip(found.latencies, seconds, strict=True):
            counts[str(bucket_of(taken))] += 1
        for difference in comparison.differences:
            found.add(difference, request)
        for what in comparison.masked:
            found.mask(what[:_MOST_TEXT])

    def failed(self, pattern: str, pool: str, reason: str) -> None:
        """The pool gave no whole answer."""
        found = self._of(pattern, pool)
        found.failures[reason if len(found.failures) < MOST_KINDS else OTHER] += 1

    def skipped(self, pattern: str, pool: str) -> None:
        """A copy was not sent."""
        self._of(pattern, pool).skipped += 1

    def take(self) -> list[Shadowed]:
        """What there is to tell; from then on it counts from zero."""
        found, self._by_rule = self._by_rule, {}
        return [one.message(pattern, pool) for (pattern, pool), one in found.items()]

    def _of(self, pattern: str, pool: str) -> _Found:
        return self._by_rule.setdefault((pattern, pool), _Found())


class _Found:
    def __init__(self) -> None:
        self.compared = self.agreed = self.skipped = 0
        self.failures: Counter[str] = Counter()
        self.latencies: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._kinds: dict[str, dict[str, Any]] = {}
        self._masked: Counter[str] = Counter()

    def add(self, difference: Difference, request: str) -> None:
        what = difference.what
        if what not in self._kinds and len(self._kinds) >= MOST_KINDS:
            what = OTHER
        kind = self._kinds.get(what)
        if kind is None:
            kind = self._kinds[what] = {
                "what": what[:_MOST_TEXT],
                "count": 0,
                "request": request[:_MOST_TEXT],
                "real": difference.real[:_MOST_TEXT],
                "shadow": difference.shadow[:_MOST_TEXT],
            }
        kind["count"] += 1

    def mask(self, what: str) -> None:
        self._masked[what if what in self._masked or len(self._masked) < MOST_KINDS else OTHER] += 1

    def message(self, pattern: str, pool: str) -> Shadowed:
        real, shadow = self.latencies
        return Shadowed(
            pattern=pattern,
            pool=pool,
            compared=self.compared,
            agreed=self.agreed,
            skipped=self.skipped,
            failed=dict(self.failures),
            real=dict(real),
            shadow=dict(shadow),
            differences=list(self._kinds.values()),
            masked=dict(self._masked),
        )
