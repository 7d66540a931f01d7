"""wrk: the load of one question, and its report as numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pinning import Cores, pinned


class LoadFailed(Exception):
    """wrk is missing, or its report could not be read."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends: the same request over and over on `connections` connections."""

    method: str = "GET"
    path: str = "/"
    body_bytes: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 64
    pipeline: int = 1
    """Requests that are written at once on a connection before the answers are read."""

    @property
    def body(self) -> bytes:
        return b"x" * self.body_bytes

    def script(self) -> str:
        """The Lua that makes wrk send this."""
        lines = [f"wrk.method = {_lua(self.method)}"]
        if self.body_bytes:
            lines.append(f'wrk.body = string.rep("x", {self.body_bytes})')
        lines += [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in self.headers.items()]
        if self.pipeline > 1:
            lines += [
                "local batch",
                "function init(arguments)",
                f"  batch = string.rep(wrk.format(nil, {_lua(self.path)}), {self.pipeline})",
                "end",
                "function request() return batch end",
            ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class LoadReport:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int
    """Socket errors, time-outs and answers outside 2xx and 3xx."""

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


def find_wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise LoadFailed(
            "wrk was not found in $PATH; it makes the load for every question. "
            "Install it with the system's package manager, for example: apt-get install wrk"
        )
    return found


def run(load: Load, port: int, seconds: int, cores: Cores, scheme: str = "http") -> LoadReport:
    """One run of wrk with one thread on the load generator's cores. Raises LoadFailed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(load.script())
        script.flush()
        command = [find_wrk(), "--latency", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s"]
        with pinned(cores.load):
            done = subprocess.run(
                [*command, "-s", Path(script.name), f"{scheme}://127.0.0.1:{port}{load.path}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + 60,
            )
    if done.returncode != 0:
        raise LoadFailed(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:400]}")
    return read_report(done.stdout)


def read_report(text: str) -> LoadReport:
    """The numbers in what wrk prints. Raises LoadFailed when the total is missing."""
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h)\b", text)
    if total is None:
        raise LoadFailed(f"wrk's report has no total: {text.strip()[-400:]!r}")
    failures = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", text)))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return LoadReport(
        requests=int(total[1]),
        seconds=_milliseconds(total[2], total[3]) / 1000,
        p50_ms=_percentile(text, 50),
        p99_ms=_percentile(text, 99),
        failures=failures + (int(refused[1]) if refused else 0),
    )


def _percentile(text: str, percent: int) -> float:
    found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m|h)$", text, re.MULTILINE)
    return _milliseconds(found[1], found[2]) if found else float("nan")


def _milliseconds(number: str, unit: str) -> float:
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}[unit]


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
