"""`python -m benchmarks`, or `make bench ARGS=...`."""

from __future__ import annotations

import argparse
import json
import sys
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
    run = []
    for question in questions:
        for interface in question.apps:
            if not any(server.interface == interface for server in servers):
                continue
            print(f"{question.title} ({interface.upper()})", flush=True)
            run.append(ask(question, interface, servers, options.rounds, bench, _say))
            # Written after each question: an interrupted run keeps what it has.
            _write(options.output, report.as_json(run, about), report.as_markdown(run, about))
    print(f"\n{report.as_markdown(run, about)}")
    return 0


def _write(output: Path, as_json: object, as_markdown: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(as_json, indent=1) + "\n")
    output.with_suffix(".md").write_text(as_markdown)


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
    parser.add_argument("--output", type=Path, default=RESULTS / "latest", help="result file without suffix")
    parser.add_argument("--python", default="", help="interpreter for a new environment (default: the best present)")
    parser.add_argument(
        "--environment", type=Path, default=peers.FOLDER, help="folder of the virtual environment with the peers"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
