"""The plots of the report, as SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

from hybrid.contract.histogram import BUCKETS, Histogram, upper_bound
from hybrid.report.verdict import ms

_WIDTH: Final = 720
_LEFT: Final = 8
_RIGHT: Final = 8
_TICKS: Final = [part * 10.0**exponent for exponent in range(-4, 3) for part in (1, 2, 5)]

Series = tuple[str, str, Histogram]
"""Label, class of colour, latencies."""


def latency_plot(series: Sequence[Series]) -> str:
    """How the latencies of several pools are distributed, over a logarithmic axis, and their percentiles below."""
    series = [one for one in series if one[2].total]
    if not series:
        return ""
    low, high = _range(series)
    height, rows = 150, 30 * len(series)
    parts = [_svg(height + 26 + rows, "Distribution of latencies: " + ", ".join(label for label, _, _ in series))]
    for tick in _TICKS:
        if low <= tick <= high:
            x = _x(tick, low, high)
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="8" x2="{x:.1f}" y2="{height + rows}"/>')
            if round(tick / 10 ** math.floor(math.log10(tick) + 1e-9)) != 5 or high / low < 30:
                parts.append(f'<text class="tick" x="{x:.1f}" y="{height + rows + 18}">{_tick(tick)}</text>')
    top = max(max(_shares(histogram)) for _, _, histogram in series)
    for _, colour, histogram in series:
        parts.append(f'<path class="area {colour}" d="{_outline(histogram, low, high, top, height)}"/>')
    for index, (label, colour, histogram) in enumerate(series):
        y = height + 16 + 30 * index
        p50, p95, p99 = (_x(histogram.percentile(p), low, high) for p in (50, 95, 99))
        shown = " · ".join(f"p{p} {ms(histogram.percentile(p))}" for p in (50, 95, 99))
        parts.append(f'<line class="whisker {colour}" x1="{p50:.1f}" y1="{y}" x2="{p99:.1f}" y2="{y}"/>')
        parts.append(f'<line class="whisker {colour}" x1="{p95:.1f}" y1="{y - 5}" x2="{p95:.1f}" y2="{y + 5}"/>')
        parts.append(f'<circle class="dot {colour}" cx="{p50:.1f}" cy="{y}" r="4.5"/>')
        room = 7 * len(f"{label} {shown}")
        x, anchor = (p99 + 12, "start") if p99 + room < _WIDTH else (p50 - 12, "end")
        if anchor == "end" and p50 < room:  # nowhere beside it: above the line
            x, anchor, y = _LEFT, "start", y - 10
        parts.append(
            f'<text class="label" text-anchor="{anchor}" x="{x:.1f}" y="{y + 4}">'
            f'<tspan class="strong">{escape(label)}</tspan> {shown}</text>'
        )
    return "".join(parts) + "</svg>"


def timeline(
    pattern: str,
    history: Sequence[tuple[float, Mapping[str, Mapping[str, float]]]],
    marks: Sequence[tuple[float, str]],
    until: float,
    colours: Mapping[str, str],
) -> str:
    """Which share of a route each pool had when; `marks` are fuses that blew."""
    steps = [(at, weights[pattern]) for at, weights in history if pattern in weights]
    if not steps:
        return ""
    start = steps[0][0]
    span = max(until - start, 1.0)
    height = 70
    parts = [_svg(height + 24, f"Shares of the pools of {pattern} over time")]

    def x(at: float) -> float:
        return _LEFT + (at - start) / span * (_WIDTH - _LEFT - _RIGHT)

    for (at, weights), (end, _) in zip(steps, [*steps[1:], (until, {})], strict=True):
        total = sum(weights.values()) or 1.0
        y = 4.0
        for pool in colours:
            share = weights.get(pool, 0.0) / total * (height - 8)
            if share:
                parts.append(
                    f'<rect class="fill {colours[pool]}" x="{x(at):.1f}" y="{y:.1f}" height="{share:.1f}"'
                    f' width="{max(x(end) - x(at), 1):.1f}"><title>{escape(pool)}'
                    f" {100 * weights[pool] / total:.0f}% from {_clock(at)}</title></rect>"
                )
                y += share
    for at, what in marks:
        if at >= start:
            parts.append(
                f'<g class="mark"><title>{escape(what)}</title><line x1="{x(at):.1f}" y1="0" x2="{x(at):.1f}"'
                f' y2="{height}"/><path d="M{x(at) - 5:.1f},0 h10 l-5,8 z"/></g>'
            )
    parts.append(f'<text class="tick first" x="{_LEFT}" y="{height + 16}">{_clock(start)}</text>')
    parts.append(f'<text class="tick last" x="{_WIDTH - _RIGHT}" y="{height + 16}">{_clock(until)}</text>')
    return "".join(parts) + "</svg>"


def _svg(height: int, title: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">'


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%d %b %H:%M:%S")


def _range(series: Sequence[Series]) -> tuple[float, float]:
    """The least and the largest latency to show: all but the fastest and the slowest half percent."""
    used = [histogram for _, _, histogram in series]
    low = min(histogram.percentile(0.5) for histogram in used) / 1.3
    high = max(histogram.percentile(99.5) for histogram in used) * 1.3
    return max(low, 5e-5), max(high, low * 4)


def _x(seconds: float, low: float, high: float) -> float:
    part = math.log(max(seconds, low) / low) / math.log(high / low)
    return _LEFT + min(part, 1.0) * (_WIDTH - _LEFT - _RIGHT)


def _tick(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _shares(histogram: Histogram) -> list[float]:
    """The part in each bucket for its width on the axis, smoothed: buckets are narrower than what they show."""
    total = histogram.total
    padded = [0.0, *(count / total / _width(index) for index, count in enumerate(histogram.counts)), 0.0]
    return [(padded[i - 1] + 2 * padded[i] + padded[i + 1]) / 4 for i in range(1, len(padded) - 1)]


def _width(index: int) -> float:
    """Of a bucket, in doublings. The ends are as wide as one bucket of the others."""
    part = 8 + (index - 1) % 8
    return math.log2((part + 1) / part) if 0 < index < BUCKETS - 1 else 1 / 8


def _outline(histogram: Histogram, low: float, high: float, top: float, height: int) -> str:
    points = []
    for index, share in enumerate(_shares(histogram)):
        bound = upper_bound(min(index, BUCKETS - 2))
        if bound >= low / 1.2:
            points.append((_x(bound, low, high), height - share / top * (height - 18)))
        if bound > high:
            break
    path = " ".join(f"L{x:.1f},{y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f},{height} {path} L{points[-1][0]:.1f},{height} Z"
