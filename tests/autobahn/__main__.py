"""Plays Autobahn's fuzzingclient against `-k asgi` on both event loops, and prints a table of what it found.

The suite needs Python 2.7 (PyPy's will do) and so lives in a folder of its own; `make autobahn` puts it there.
Ends with 1 if any case fails. The suite's own report, a page for each case, stays in --out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.integration.server import Server

HERE = Path(__file__).parent
GROUPS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits, performance",
    "10": "auto-fragmentation",
    "12": "compression, of various payloads",
    "13": "compression, with various parameters",
}
_START = "import site; site.addsitedir(%r); from autobahntestsuite.wstest import run; run()"
"""A folder that pip filled is on the path for good only with the .pth files in it."""
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")


def main() -> int:
    options = _options()
    python, site = Path(options.python), Path(options.site).resolve()
    tables = {}
    for loop in options.loop:
        folder = Path(options.out).resolve() / loop
        folder.mkdir(parents=True, exist_ok=True)
        tables[loop] = play(python, site, folder, loop, options.cases)
        print(f"## {loop}\n\n{table(tables[loop])}\n", flush=True)
    return int(any(verdict not in GOOD for verdicts in tables.values() for verdict in verdicts.values()))


def play(python: Path, site: Path, folder: Path, loop: str, cases: list[str]) -> dict[str, str]:
    """The verdict on each case; that on its close, where it is worse."""
    server = Server(["-k", "asgi", "--loop", loop, "echo_app:app"], HERE)
    try:
        server.wait_ready()
        plan = {
            "outdir": str(folder),
            "servers": [{"agent": "hybrid", "url": f"ws://127.0.0.1:{server.port}"}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        written = folder / "plan.json"
        written.write_text(json.dumps(plan))
        command = [str(python), "-c", _START % str(site), "-m", "fuzzingclient", "-s", str(written)]
        with (folder / "wstest.log").open("w") as log:
            environ = {**os.environ, "PYTHONWARNINGS": "ignore"}
            subprocess.run(command, cwd=folder, env=environ, stdout=log, stderr=log, check=True)
        assert server.stop() == 0, "the server did not end well"
        assert "Traceback" not in server.log.text, server.log.text[-4000:]
    finally:
        server.destroy()
    found: Mapping[str, dict[str, str]] = json.loads((folder / "index.json").read_text())["hybrid"]
    return {case: _worse(one["behavior"], one["behaviorClose"]) for case, one in found.items()}


def table(verdicts: dict[str, str]) -> str:
    """As Markdown: how many cases of each group came out how, and which did not pass plainly."""
    lines = ["| group | about | cases | pass | others |", "|---|---|---|---|---|"]
    for group, about in GROUPS.items():
        ours = {case: verdict for case, verdict in verdicts.items() if case.split(".")[0] == group}
        if ours:
            others = ", ".join(f"{case} {verdict.lower()}" for case, verdict in sorted(ours.items()) if verdict != "OK")
            lines.append(f"| {group}.* | {about} | {len(ours)} | {Counter(ours.values())['OK']} | {others} |")
    lines.append(f"| | | {len(verdicts)} | {Counter(verdicts.values())['OK']} | |")
    return "\n".join(lines)


def _worse(verdict: str, of_close: str) -> str:
    return of_close if verdict == "OK" and of_close not in GOOD else verdict


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("--python", default="python2.7", help="the interpreter of the suite")
    parser.add_argument("--site", default=".venv-autobahn", help="the folder into which autobahntestsuite is installed")
    parser.add_argument("--loop", action="append", choices=("uvloop", "asyncio"), help="default: both")
    parser.add_argument("--out", default="build/autobahn", help="where the reports go")
    parser.add_argument("cases", nargs="*", default=["*"], help="such as '12.*'; default: all")
    options = parser.parse_args()
    options.loop = options.loop or ["uvloop", "asyncio"]
    return options


if __name__ == "__main__":
    sys.exit(main())
