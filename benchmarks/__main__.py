"""`python -m benchmarks`, or `make bench ARGS=...`."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import interpreter, load, peers, pinning, report
from benchmarks.catalogue import NothingMatches, all_questions, select_questions, select_servers
from benchmarks.questioning import Bench
from benchmarks.rounds import ask
from benchmarks.servers import SERVERS

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.list:
        for question in all_questions():
            print(f"{question.name:<16} {question.title} ({', '.join(question.apps)})")
        print("\n" + "\n".join(f"{server.name:<20} {server.interface}" for server in SERVERS))
        return 0
    try:
        load.find_wrk()
        questions = select_questions(options.questions.split(","))
        servers = select_servers(options.servers.split(","))
    except (load.LoadFailed, NothingMatches) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    environment = peers.prepare(servers, interpreter.choose(options.python), options.environment)
    cores = pinning.this_machine()
    if cores.is_shared:
        print("benchmarks: only one core: server and load generator share it", file=sys.stderr)
    servers = [server for server in servers if server.is_ours or peers.is_installed(environment, server.package)]
    chosen = {"rounds": options.rounds, "seconds": options.seconds, "warm_up_s": options.warm_up}
    used = interpreter.ask(environment.python)
    about = report.about_this_machine(cores, used, chosen, peers.versions(environment, servers))
    bench = Bench(environment, cores, options.seconds, options.warm_up)
    run = report.from_json(json.loads(_json(options.output).read_text()), all_questions()) if options.resume else []
    asked = {(results.question.name, results.interface) for results in run}
    over = time.monotonic() + options.budget * 60 if options.budget else math.inf
    pictures = options.output.with_name(f"{options.output.name}-plots")
    for question in questions:
        for interface in question.apps:
            if (question.name, interface) in asked or not any(server.interface == interface for server in servers):
                continue
            if time.monotonic() > over:
                print(f"Not asked, the time is over: {question.name} ({interface})", flush=True)
                continue
            print(f"{question.title} ({interface.upper()})", flush=True)
            run.append(ask(question, interface, servers, options.rounds, bench, _say))
            # Written after each question: an interrupted run keeps what it has, and --resume goes on from there.
            _write(options.output, report.as_json(run, about), report.as_markdown(run, about, pictures.name))
    if run:
        subprocess.run(
            [environment.python, "-m", "benchmarks.plots", _json(options.output), pictures.absolute()],
            cwd=peers.ROOT,
            check=True,
        )
    print(f"\n{report.as_markdown(run, about)}")
    return 0


def _json(output: Path) -> Path:
    return output.with_name(f"{output.name}.json").absolute()


def _write(output: Path, as_json: object, as_markdown: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    _json(output).write_text(json.dumps(as_json, indent=1) + "\n")
    output.with_name(f"{output.name}.md").write_text(as_markdown)


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the questions and the servers")
    parser.add_argument("--questions", default="*", help="names or patterns, separated by commas")
    parser.add_argument("--servers", default="*", help="names or patterns, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked (default 3)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of a measured run (default 4)")
    parser.add_argument("--warm-up", type=int, default=1, help="whole seconds of load before it (default 1)")
    parser.add_argument("--budget", type=float, default=0, help="minutes after which no further question is begun")
    parser.add_argument("--resume", action="store_true", help="keep what --output has and ask only what is missing")
    parser.add_argument("--output", type=Path, default=RESULTS / "latest", help="result file without suffix")
    parser.add_argument("--python", default="", help="interpreter for a new environment (default: the best present)")
    parser.add_argument(
        "--environment", type=Path, default=peers.FOLDER, help="folder of the virtual environment with the peers"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
