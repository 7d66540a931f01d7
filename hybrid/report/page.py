"""The report as a page for a team to look at together: one file, without scripts, that needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Final

from hybrid.report.facts import Facts, Route, Served, Shadow
from hybrid.report.plots import latency_plot, timeline
from hybrid.report.style import CSS
from hybrid.report.text import masked_text
from hybrid.report.verdict import Verdict, gain, has_more_errors, ms, percent, verdicts

_TONE: Final[Mapping[str, str]] = {"moved": "good", "ready": "good", "not yet": "bad", "no traffic": "wait"}
_COLOURS: Final = 6
_MOST_DIFFERENCES: Final = 20


def page(facts: Facts) -> str:
    """The HTML."""
    colours = _colours(facts)
    made = datetime.fromtimestamp(facts.at).astimezone().strftime("%d %B %Y, %H:%M:%S %Z")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Migration, {escape(made)}</title><style>{CSS}</style></head><body><main>",
        f'<h1>Migration</h1><p class="soft">{escape(made)}{_fuse(facts)}</p>',
        _pools(facts, colours),
    ]
    if not facts.routes:
        parts.append("<section>This server has one pool and no routes: nothing is being moved.</section>")
    parts += [_route(route, facts, colours) for route in facts.routes]
    parts += [_sites(facts), _events(facts), "</main></body></html>\n"]
    return "".join(parts)


def _colours(facts: Facts) -> dict[str, str]:
    """A class of colour for each pool, the same all over the page."""
    names = [pool["name"] for pool in facts.pools]
    names += [one.pool for route in facts.routes for one in route.served]
    names += [pool for _, weights in facts.history for shares in weights.values() for pool in shares]
    return {name: f"c{index % _COLOURS}" for index, name in enumerate(dict.fromkeys(names))}


def _fuse(facts: Facts) -> str:
    return f" · fuse: {escape(facts.fuse)} over {facts.window_s:g} s" if facts.fuse else " · no fuse"


def _key(pool: str, colours: Mapping[str, str]) -> str:
    return f'<span class="{colours.get(pool, "c0")}"><span class="key"></span></span>{escape(pool)}'


def _pools(facts: Facts, colours: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><td>{_key(pool["name"], colours)}</td><td class="mono">{escape(str(pool["app"]))}</td>'
        f"<td>{escape(str(pool['class']))}</td><td>{pool['ready']} of {pool['size']}</td></tr>"
        for pool in facts.pools
    )
    return (
        '<section><div class="scroll"><table class="wide"><tr><th>Pool</th><th>Application</th><th>Worker class</th>'
        f"<th>Workers ready</th></tr>{rows}</table></div></section>"
    )


def _route(route: Route, facts: Facts, colours: Mapping[str, str]) -> str:
    found = verdicts(route, facts)
    badges = "".join(
        f'<span class="badge {_TONE[verdict.word]}">{escape(verdict.pool)}: {verdict.word}</span>' for verdict in found
    )
    parts = [f'<section><header class="route"><h2 class="mono">{escape(route.pattern)}</h2>{badges}</header>']
    parts += [_verdict(verdict) for verdict in found]
    if wins := gain(route):
        parts.append(f'<p class="soft">{escape(wins[0].upper() + wins[1:])}.</p>')
    parts.append(_served_table(route, colours))
    series = [(one.pool, colours.get(one.pool, "c0"), one.latency) for one in route.served]
    if plot := latency_plot(series):
        parts.append(f"<h3>Latency</h3>{plot}")
    parts += [_shadow(shadow, route.established, colours) for shadow in route.shadows]
    marks = [(one.at, one.evidence) for one in facts.blown if one.route == route.pattern]
    if len(colours) > 1 and (line := timeline(route.pattern, facts.history, marks, facts.at, colours)):
        parts.append(f"<h3>Weights over time</h3>{line}")
    return "".join(parts) + "</section>"


def _verdict(verdict: Verdict) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    step = f'<div class="next mono">{escape(verdict.next_step)}</div>' if verdict.next_step else ""
    return (
        f'<div class="verdict {_TONE[verdict.word]}"><b>{escape(verdict.pool)}</b>: {verdict.word}'
        f"<ul>{reasons}</ul>{step}</div>"
    )


def _served_table(route: Route, colours: Mapping[str, str]) -> str:
    rows = "".join(_served_row(one, route, colours) for one in route.served)
    return (
        '<div class="scroll"><table><tr><th>Pool</th><th>Weight</th><th>Requests</th><th>Share</th><th>Errors</th>'
        f"<th>p50</th><th>p95</th><th>p99</th><th>Waiting</th></tr>{rows}</table></div>"
    )


def _served_row(one: Served, route: Route, colours: Mapping[str, str]) -> str:
    share = percent(one.requests / route.requests) if route.requests else "-"
    is_worse = one.pool != route.established and has_more_errors(one, route.of(route.established))
    errors = percent(one.error_rate) if one.requests else "-"
    latency = "".join(f"<td>{ms(one.latency.percentile(p)) if one.requests else '-'}</td>" for p in (50, 95, 99))
    waiting = "-" if one.waiting is None else f"{one.waiting:.0%}"
    return (
        f"<tr><td>{_key(one.pool, colours)}</td><td>{one.weight:g}%</td><td>{one.requests:,}</td><td>{share}</td>"
        f"<td{' class=is-bad' if is_worse else ''}>{errors}</td>{latency}<td>{waiting}</td></tr>"
    )


def _shadow(shadow: Shadow, established: str, colours: Mapping[str, str]) -> str:
    some = f"{shadow.percent:g}% of requests" if shadow.percent else "not in force any more"
    parts = [
        f"<h3>Shadow traffic to {escape(shadow.pool)}</h3>",
        f"<p>{some}; {shadow.compared:,} answers compared, {percent(shadow.agreement)} agree"
        f"{_and(shadow.failures, 'not answered')}{_and(shadow.skipped, 'skipped')}</p>",
    ]
    if shadow.compared:
        parts.append(f'<div class="bar"><i style="width:{100 * shadow.agreement:.2f}%"></i></div>')
    for reason, count in list(shadow.failed.items())[:5]:
        parts.append(f'<p class="soft">{count} x {escape(reason)}</p>')
    if shadow.differences:
        rows = "".join(
            f'<tr><td>{difference.count:,}</td><td class="cell">{escape(difference.what)}</td>'
            f'<td class="cell mono">{escape(difference.real)}</td>'
            f'<td class="cell mono">{escape(difference.shadow)}</td>'
            f'<td class="cell mono">{escape(difference.request)}</td></tr>'
            for difference in shadow.differences[:_MOST_DIFFERENCES]
        )
        more = len(shadow.differences) - _MOST_DIFFERENCES
        parts.append(
            '<div class="scroll"><table class="wide"><tr><th>Count</th><th>What differs</th><th>Real answer</th>'
            f"<th>{escape(shadow.pool)}</th><th>First seen with</th></tr>{rows}</table></div>"
            + (f'<p class="soft">and {more} more kinds of difference</p>' if more > 0 else "")
        )
    if shadow.masked:
        parts.append(f'<p class="soft">Not counted, for it is random: {escape(masked_text(shadow))}</p>')
    real = ("real answers", colours.get(established, "c0"), shadow.real)
    copies = (f"{shadow.pool} in shadow", colours.get(shadow.pool, "c1"), shadow.shadow)
    return "".join(parts) + latency_plot([real, copies])


def _and(count: int, what: str) -> str:
    return f", {count:,} {what}" if count else ""


def _sites(facts: Facts) -> str:
    if not facts.sites:
        return ""
    rows = "".join(
        f'<tr><td>{escape(site.pool)}</td><td class="cell mono">{escape(site.where)}</td><td>{site.count:,}</td>'
        f"<td>{site.seconds:.1f} s</td><td>{ms(site.longest_s)}</td>"
        f'<td class="cell mono">{escape(site.request)}</td></tr>'
        for site in facts.sites[:50]
    )
    return (
        "<section><h2>What held up event loops</h2>"
        '<p class="soft">While one of these lines runs, no other request of its worker is served.</p>'
        '<div class="scroll"><table class="wide"><tr><th>Pool</th><th>Line</th><th>Times</th><th>In all</th>'
        f"<th>Longest</th><th>Serving</th></tr>{rows}</table></div></section>"
    )


def _events(facts: Facts) -> str:
    found = [(at, "Changed", what) for at, what in facts.changes if not what.startswith("fuse:")]
    found += [(one.at, "Fuse", f"{one.pool} lost {one.route} to {one.instead}: {one.evidence}") for one in facts.blown]
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{datetime.fromtimestamp(at).strftime('%d %b %H:%M:%S')}</td>"
        f'<td{" class=is-bad" if kind == "Fuse" else ""}>{kind}</td><td class="cell">{escape(what)}</td></tr>'
        for at, kind, what in sorted(found, reverse=True)
    )
    return f'<section><h2>What happened</h2><div class="scroll"><table class="wide">{rows}</table></div></section>'
