"""Of which requests a copy goes to another pool, to compare its answers.

--shadow '/api/*=modern:20'            a fifth of GET and HEAD
--shadow 'POST /api/search=modern'     other methods only when asked for

The most specific pattern that a request matches decides, as it does for routes. A pool gets no copies of what it serves
itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from hybrid.errors import SettingsError
from hybrid.routing.pattern import Pattern, parse_pattern
from hybrid.routing.routes import POOL_NAME, Route, Share, from_table
from hybrid.routing.table import RouteTable

if TYPE_CHECKING:
    from hybrid.http.request import Request

SAFE = frozenset({"GET", "HEAD"})
"""What is copied unless a pattern names methods."""

POOL = "shadow"
"""The pool of the worker that sends the copies and compares."""
WORKER_CLASS = "hybrid_workers.shadow:ShadowWorker"

_NO_POOL = ""


@dataclass(frozen=True, slots=True)
class ShadowRule:
    """Copies of `percent` of the requests of this pattern go to this pool."""

    pattern: Pattern
    pool: str
    percent: float = 100.0

    @property
    def name(self) -> str:
        """The pattern as it was written."""
        return str(replace(self.pattern, methods=frozenset()) if self.pattern.methods == SAFE else self.pattern)

    def __str__(self) -> str:
        """As --shadow takes it."""
        return f"{self.name}={self.pool}" + ("" if self.percent == 100 else f":{self.percent:g}")


def parse_shadow(text: str, where: str = "--shadow") -> ShadowRule:
    """From `PATTERN=POOL[:PERCENT]`. Raises SettingsError."""
    written, equals, target = text.rpartition("=")
    where = f"{where} {text!r}"
    if not equals or not written.strip():
        raise SettingsError(f"{where}: found no pool, expected PATTERN=POOL[:PERCENT], such as '/api/*=modern:10'")
    pattern = parse_pattern(written, where)
    pool, colon, amount = (part.strip() for part in target.partition(":"))
    if not POOL_NAME.fullmatch(pool):
        raise SettingsError(f"{where}: {pool[:80]!r} is no name of a pool")
    percent = 100.0
    if colon:
        try:
            percent = float(amount.removesuffix("%"))
        except ValueError:
            percent = -1.0
        if not 0 < percent <= 100:
            raise SettingsError(f"{where}: found {amount[:40]!r}, expected a percentage above 0 and up to 100")
    return ShadowRule(pattern if pattern.methods else replace(pattern, methods=SAFE), pool, percent)


def read_shadow(items: Iterable[object], pools: Sequence[str], file: str = "") -> tuple[ShadowRule, ...]:
    """All rules: texts as --shadow takes them, or tables of `file`. `pools` are the names of those that there are.

    Raises SettingsError.
    """
    rules: list[ShadowRule] = []
    for number, item in enumerate(items, 1):
        if isinstance(item, str):
            where = f"--shadow {item!r}"
            rule = parse_shadow(item)
        else:
            where = f"{file} [[shadow]] {number}".strip()
            rule = _from_table(cast("Mapping[str, object]", item), where)
        if rule.pool not in pools:
            raise SettingsError(f"{where}: there is no pool {rule.pool!r}; there are {', '.join(pools)}")
        if len(pools) < 2:
            raise SettingsError(f"{where}: {rule.pool} is the only pool; add another with --pool, to compare it with")
        if any(other.pattern == rule.pattern for other in rules):
            raise SettingsError(f"{where}: there is a rule for this pattern already; remove one")
        rules.append(rule)
    if rules and POOL in pools:
        raise SettingsError(
            f"pool {POOL}: with --shadow this is the name of the pool that compares; give yours another name"
        )
    return tuple(rules)


def _from_table(table: Mapping[str, object], where: str) -> ShadowRule:
    """A table as of a route, with one pool and perhaps `percent`."""
    pool, percent = table.get("pool"), table.get("percent", 100)
    if not isinstance(pool, str):
        raise SettingsError(f"{where}: pool: found {pool!r}, expected the name of a pool")
    if isinstance(percent, bool) or not isinstance(percent, (int, float)):
        raise SettingsError(f"{where}: percent: found {percent!r}, expected a number above 0 and up to 100")
    # Through the text, for what it may be; the pattern may say more than text can.
    rule = parse_shadow(f"/={pool}:{percent}", where)
    pattern = from_table({key: value for key, value in table.items() if key != "percent"}, where).pattern
    return replace(rule, pattern=pattern if pattern.methods else replace(pattern, methods=SAFE))


class ShadowPlan:
    """The rules, ready for use in a worker of pool `own`."""

    __slots__ = ("_draw", "_rules", "_table")

    def __init__(self, rules: Iterable[ShadowRule], own: str = "", draw: Callable[[], float] = random.random) -> None:
        used = list(rules)
        pools = {_NO_POOL: True, **{rule.pool: True for rule in used}}
        routes = [Route(rule.pattern, (Share(rule.pool, 1.0),)) for rule in used]
        self._table = RouteTable(routes, pools)
        self._rules = {rule.pattern: rule for rule in used if rule.pool != own}
        self._draw = draw

    def __bool__(self) -> bool:
        return bool(self._rules)

    def rule_for(self, request: Request) -> ShadowRule | None:
        """The rule by which a copy of this request is to be made, if it is."""
        if request.upgrade:
            return None
        choice = self._table.choose(request)
        if choice.pool == _NO_POOL:
            return None
        rule = self._rules.get(choice.route.pattern)
        if rule is None or (rule.percent < 100 and self._draw() * 100 >= rule.percent):
            return None
        return rule
