"""`make bench-guard`: instructions per request against a baseline, which no neighbour on the machine can disturb.

Valgrind counts what the worker executes in user mode for more and for fewer of the same requests, one after the other
on one connection. That leaves out the kernel and the caches, so it is no measure of speed; but it repeats within a
fraction of a percent, and so shows what a change has added to the path of a request.

A count holds for one build of Python and of the C libraries: the baseline has one entry for each that was measured,
and for another there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import interpreter, peers
from benchmarks.process import free_port
from benchmarks.questioning import APPS

BASELINE = Path(__file__).parent / "results" / "instructions.json"
TOLERANCE = 0.03
FEW, MORE, MANY = 500, 3500, 6500
"""Requests of three runs: the difference between two of them is without the worker's start and end."""
STRAIGHT = 0.02
"""By so much the two differences, per request, may differ from each other."""
APPLICATIONS = {"sync": "plain_wsgi:hello", "asgi": "plain_asgi:hello"}
BUILDS = {"": False, "-pure": True}
"""What is added to the name of a worker class, and whether it is counted in pure Python."""
_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_LIMIT_S = 120.0


class CountFailed(Exception):
    """Valgrind or the server did not do its part."""


def verdict(count: float, baseline: float) -> str:
    """What to say of a count; "" when it is near enough."""
    change = count / baseline - 1
    if change > TOLERANCE:
        return f"{change:+.1%}: more than before; find out why, or record it with --record"
    if change < -TOLERANCE:
        return f"{change:+.1%}: less than before; record it with --record, so that it stays so"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help="make what is counted now the baseline of this build")
    parser.add_argument("--environment", type=Path, default=peers.FOLDER, help="virtual environment to run in")
    parser.add_argument("--python", default="", help="interpreter for a new environment (default: the best present)")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print(
            "bench-guard: valgrind was not found in $PATH; install it, for example: apt-get install valgrind",
            file=sys.stderr,
        )
        return 1
    environment = peers.prepare((), interpreter.choose(options.python), options.environment)
    _compile(environment)
    build = _build(environment)
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    try:
        counts = {
            kind + suffix: count(environment, kind, app, is_pure=is_pure)
            for kind, app in APPLICATIONS.items()
            for suffix, is_pure in BUILDS.items()
        }
    except CountFailed as error:
        print(f"bench-guard: {error}", file=sys.stderr)
        return 1
    worst = 0
    for kind, found in counts.items():
        before = known.get(build, {}).get(kind)
        said = verdict(found, before) if before else "no baseline for this build; record one with --record"
        print(f"{kind:<9} {found:>9,.0f} instructions per request  {said or f'as before ({before:,.0f})'}")
        worst = max(worst, 1 if before and said else 0)
    if options.record:
        BASELINE.parent.mkdir(exist_ok=True)
        BASELINE.write_text(
            json.dumps({**known, build: {kind: round(found) for kind, found in counts.items()}}, indent=1) + "\n"
        )
        return 0
    return worst


def count(environment: peers.Environment, kind: str, app: str, *, is_pure: bool) -> float:
    """Instructions in user mode that the worker executes for one request. Raises CountFailed."""
    variables = environment.variables(is_pure=is_pure)
    return per_request(
        {requests: _executed(environment.python, variables, kind, app, requests) for requests in (FEW, MORE, MANY)}
    )


def per_request(executed: Mapping[int, int]) -> float:
    """The slope of a line: by the number of requests, what was executed with them.

    Raises CountFailed if it is none. A worker that was slowed down, above all by another such run, does more of what
    it does now and then, or was replaced; then no difference between runs is that of their requests.
    """
    first, middle, last = sorted(executed)
    before = (executed[middle] - executed[first]) / (middle - first)
    after = (executed[last] - executed[middle]) / (last - middle)
    if min(before, after) <= 0 or abs(after / before - 1) > STRAIGHT:
        raise CountFailed(
            f"{before:,.0f} instructions per request from {first} to {middle} requests, but {after:,.0f} from {middle}"
            f" to {last}; expected the same within {STRAIGHT:.0%}. Something disturbs the runs: is another count under"
            " way, or the machine very busy? Try again when it is not"
        )
    return (executed[last] - executed[first]) / (last - first)


def _executed(python: str, variables: Mapping[str, str], kind: str, app: str, requests: int) -> int:
    """What a worker executes in its whole life with so many requests."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", python]
        command += ["-m", "hybrid", "--bind", f"127.0.0.1:{port}", "--timeout", "0", "-k", kind, app]
        server = subprocess.Popen(
            command,
            cwd=APPS,
            env={**os.environ, **variables, "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with _connected(server, port) as client:
                worker = _worker_of(server.pid)
                _ask(client, requests)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(_LIMIT_S)
        return _total(Path(folder) / str(worker))


def _compile(environment: peers.Environment) -> None:
    """To bytecode, before anything is counted: else the first run after a change would have that to do."""
    sources = [peers.ROOT / "hybrid", peers.ROOT / "workers", APPS]
    subprocess.run([environment.python, "-m", "compileall", "-q", *sources], check=True)


def _connected(server: subprocess.Popen[bytes], port: int) -> socket.socket:
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            client = socket.create_connection(("127.0.0.1", port), 5)
            client.settimeout(_LIMIT_S)
            _ask(client, 1)
        except OSError:
            time.sleep(0.05)
        else:
            return client
    raise CountFailed("the server did not answer under valgrind")


def _ask(client: socket.socket, times: int) -> None:
    for _ in range(times):
        client.sendall(_REQUEST)
        answer = client.recv(65536)
        if not answer.endswith(b"Hello, World!"):
            raise CountFailed(f"unexpected answer {answer[:80]!r}")


def _worker_of(arbiter: int) -> int:
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    if len(children) != 1:
        raise CountFailed(f"expected one worker, found {len(children)}")
    return int(children[0])


def _total(output: Path) -> int:
    try:
        found = re.search(r"^(?:totals|summary): (\d+)", output.read_text(errors="replace"), re.MULTILINE)
    except FileNotFoundError:
        found = None
    if found is None:
        raise CountFailed("callgrind left no total for the worker")
    return int(found[1])


def _build(environment: peers.Environment) -> str:
    """What a count depends on: the interpreter, and the libraries in C."""
    found = interpreter.ask(environment.python)
    libraries = ", ".join(f"{name} {environment.version(name)}" for name in ("httptools", "uvloop"))
    return f"{found}, {libraries}, {platform.machine()} {' '.join(platform.libc_ver())}"


if __name__ == "__main__":
    sys.exit(main())
