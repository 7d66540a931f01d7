"""The lines that have held up event loops, as workers tell of them: how often, for how long, and while serving what."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hybrid.contract.messages import LoopBlocked

MOST_SITES = 200


@dataclass(slots=True)
class _Site:
    pool: str
    where: str
    count: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0
    request: str = ""
    """The last one that is known."""
    at: float = 0.0
    """When it was last; seconds since 1970."""


class BlockingSites:
    """Bounded: of too many, the one that was seen longest ago goes."""

    def __init__(self) -> None:
        self._sites: dict[tuple[str, str], _Site] = {}

    def add(self, pool: str, blocked: LoopBlocked, at: float) -> None:
        key = (pool, blocked.where)
        site = self._sites.pop(key, None) or _Site(pool, blocked.where)
        if len(self._sites) >= MOST_SITES:
            del self._sites[next(iter(self._sites))]
        self._sites[key] = site  # at the end: the first is always the one not seen for longest
        site.count += 1
        site.seconds = round(site.seconds + blocked.seconds, 3)
        site.longest_s = round(max(site.longest_s, blocked.seconds), 3)
        site.request = blocked.request or site.request
        site.at = at

    def as_json(self) -> list[dict[str, object]]:
        """What cost most first."""
        return [asdict(site) for site in sorted(self._sites.values(), key=lambda site: -site.seconds)]
