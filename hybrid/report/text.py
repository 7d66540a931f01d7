"""The report for a terminal."""

from __future__ import annotations

from datetime import datetime

from hybrid.report.facts import Facts, Route, Shadow
from hybrid.report.verdict import gain, ms, percent, verdicts

_MOST_DIFFERENCES = 5
_MOST_MASKED = 10


def text(facts: Facts) -> str:
    """One block for each route, then what concerns all."""
    blocks = [_route(route, facts) for route in facts.routes]
    if facts.sites:
        lines = ["Event loops were held up by"]
        for site in facts.sites[:10]:
            serving = f", serving {site.request}" if site.request else ""
            lines.append(f"  {site.pool}: {site.where}: {site.count} times, {site.seconds:.1f} s in all{serving}")
        blocks.append("\n".join(lines))
    if facts.blown:
        lines = ["Fuses that blew"]
        lines += [
            f"  {_time(one.at)} {one.pool} lost {one.route} to {one.instead}: {one.evidence}" for one in facts.blown
        ]
        blocks.append("\n".join(lines))
    if facts.changes:
        blocks.append("\n".join(["Changes", *(f"  {_time(at)} {change}" for at, change in facts.changes[-10:])]))
    if not facts.routes:
        blocks.insert(0, "This server has one pool and no routes: nothing is being moved. See docs/migration.md.")
    return "\n\n".join(_printable(block) for block in blocks)


def _route(route: Route, facts: Facts) -> str:
    lines = [f"Route {route.pattern}"]
    rows = [["POOL", "WEIGHT", "REQUESTS", "ERRORS", "P50", "P95", "P99"]]
    for one in route.served:
        latency = [ms(one.latency.percentile(p)) if one.requests else "-" for p in (50, 95, 99)]
        rows.append([one.pool, f"{one.weight:g}%", str(one.requests), percent(one.error_rate), *latency])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        lines.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if wins := gain(route):
        lines.append(f"  {wins}")
    for shadow in route.shadows:
        lines.append(
            f"  shadow to {shadow.pool}: {shadow.compared} compared, {percent(shadow.agreement)} agree"
            + (f", {shadow.failures} not answered" if shadow.failures else "")
            + (f", {shadow.skipped} skipped" if shadow.skipped else "")
        )
        for difference in shadow.differences[:_MOST_DIFFERENCES]:
            lines.append(
                f"    {difference.count} x {difference.what}: {difference.real} | {difference.shadow}"
                f" ({difference.request})"
            )
        if len(shadow.differences) > _MOST_DIFFERENCES:
            lines.append(f"    and {len(shadow.differences) - _MOST_DIFFERENCES} more kinds")
        if shadow.masked:
            lines.append(f"    not counted, for it is random: {masked_text(shadow)}")
    dropped = sum(one.dropped for one in route.served)
    if dropped:
        lines.append(f"  {dropped} copies were dropped: the shadow worker had no room for them")
    for verdict in verdicts(route, facts):
        lines.append(f"  {verdict.pool}: {verdict.word}: {'; '.join(verdict.reasons)}")
        if verdict.next_step:
            lines.append(f"    next: {verdict.next_step}")
    return "\n".join(lines)


def masked_text(shadow: Shadow) -> str:
    """What was masked, the most frequent first."""
    shown = [f"{what} ({count} x)" for what, count in list(shadow.masked.items())[:_MOST_MASKED]]
    more = len(shadow.masked) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def _printable(block: str) -> str:
    """Clients and applications wrote some of it, and a terminal would obey them."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in block)
