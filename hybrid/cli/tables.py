"""How `hybrid status` and `hybrid workers` read on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def status_text(report: Mapping[str, Any]) -> str:
    """A few lines about the server, one per pool, and the last deaths of workers."""
    lines = [
        f"hybrid {report['version']}, pid {report['pid']}, {report['phase']}, up {duration(report['uptime_s'])}",
        f"app {report['app']}, generation {report['generation']}",
        f"listening at {', '.join(report['listeners']) or 'nothing'}",
    ]
    if report.get("reloading") is not None:
        lines.append(f"reloading: generation {report['reloading']} is on trial")
    for pool in report["pools"]:
        line = f"pool {pool['name']}: {pool['state']}, {pool['ready']} of {pool['size']} workers ready"
        line += "".join(f", {pool[key]} {key}" for key in ("booting", "draining") if pool[key])
        if pool.get("shed"):  # an arbiter of before does not say it
            line += f", {pool['shed']} requests shed"
        if pool["next_spawn_in_s"]:
            line += f", next start in {duration(pool['next_spawn_in_s'])}"
        if len(report["pools"]) > 1 and pool.get("app"):
            line += f" ({pool['worker_class']} {pool['app']})"
        lines.append(line)
    lines += [f"route {route}" for route in report.get("routes", ())]
    for blown in report.get("fuses", ())[-5:]:
        when = datetime.fromtimestamp(blown["at"]).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(
            f"fuse blew at {when}: {blown['pool']} lost {blown['route']} to {blown['instead']}: {blown['evidence']}"
        )
    for death in report["deaths"][-5:]:
        lines.append(f"died {duration(death['ago_s'])} ago: {death['text']}")
    return "\n".join(lines)


def workers_text(workers: Sequence[Mapping[str, Any]]) -> str:
    """One line per worker."""
    rows = [("PID", "POOL", "SLOT", "GEN", "STAGE", "BUSY", "REQUESTS", "ERRORS", "CONNS", "MEMORY", "AGE", "NOW")]
    for worker in workers:
        rows.append(
            (
                str(worker["pid"]),
                worker["pool"],
                str(worker["slot"]),
                str(worker["generation"]),
                worker["stage"] + ("*" if worker["retiring"] else ""),
                f"{worker['active']}/{worker['capacity'] or '?'}",
                str(worker["requests"]),
                str(worker["errors"]),
                str(worker["connections"]),
                f"{worker['rss_bytes'] / (1 << 20):.0f}M",
                duration(worker["age_s"]),
                _now(worker["in_flight"]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _now(requests: Sequence[Mapping[str, Any]]) -> str:
    if not requests:
        return "-"
    oldest = requests[0]
    target = "".join(char if char.isprintable() else "?" for char in oldest["target"])
    more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
    return f"{oldest['method']} {target} for {duration(oldest['age_s'])}{more}"


def duration(seconds: float | None) -> str:
    """In the largest unit that leaves a number to read: 0.4s, 12s, 3m, 5h, 9d."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
