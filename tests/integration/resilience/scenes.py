"""What happens to a server while it is under load."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.resilience.chaos import Failure, Fates, bound, load
from tests.integration.server import WAIT_S, Log, Server, clean_environ, launch

HERE = Path(__file__).parent
READY = r"Worker ready \(pid: (\d+)\)"
_UNREAD_S = 1.0
"""A failure is a death's when it comes within this time of it."""
_MOVED_S = 0.2
"""And within this time where nothing else connects it with that worker."""


def _app(options: tuple[str, ...]) -> str:
    return "chaos_app:asgi_app" if "asgi" in options else "chaos_app:wsgi_app"


def reloads(options: tuple[str, ...], folder: Path, count: int) -> Fates:
    """SIGHUP, again as soon as the last reload has ended."""
    server = Server([*options, "-w", "2", _app(options)], HERE)
    try:
        server.wait_ready(2)
        with load(server.port) as fates:
            for number in range(1, count + 1):
                server.send(signal.SIGHUP)
                server.log.wait(r"Reloaded: generation", count=number)
        assert server.stop() == 0
    finally:
        server.destroy()
    return fates


def upgrades(options: tuple[str, ...], folder: Path, count: int) -> Fates:
    """`hybrid upgrade --wait`, again as soon as the last arbiter is gone."""
    pidfile = folder / "server.pid"
    server = Server([*options, "-w", "2", "--pid", str(pidfile), _app(options)], HERE)
    try:
        server.wait_ready(2)
        with load(server.port) as fates:
            for number in range(1, count + 1):
                _upgrade(pidfile)
                server.log.wait(r"The arbiter before this one \(pid \d+\) is gone", count=number)
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
        assert server.log.wait_end(), server.log.text
    finally:
        server.destroy()
    return fates


def _upgrade(pidfile: Path) -> None:
    command = [sys.executable, "-m", "hybrid", "upgrade", "--wait", "--pid", str(pidfile)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=clean_environ())
    assert done.returncode == 0, (done.stdout, done.stderr)


def upgrades_by_hand(options: tuple[str, ...], folder: Path, count: int) -> Fates:
    """As an operator does it with signals, each time with a change of mind on the way."""
    pidfile = folder / "server.pid"
    successor = folder / "server.pid.2"
    server = Server([*options, "-w", "2", "--pid", str(pidfile), _app(options)], HERE)
    log = server.log
    booted = 2

    def start_another(old: int) -> int:
        nonlocal booted
        os.kill(old, signal.SIGUSR2)
        booted += 2
        log.wait(READY, count=booted)
        return int(successor.read_text())

    def rest(old: int) -> None:
        """The workers of this one are gone, so its successor's serve alone."""
        gone = log.text.count("Worker exiting")
        os.kill(old, signal.SIGWINCH)
        log.wait(r"Worker exiting", count=gone + 2)

    try:
        server.wait_ready(2)
        with load(server.port) as fates:
            old = server.pid
            for number in range(1, count + 1):
                unwanted = start_another(old)
                rest(old)
                os.kill(old, signal.SIGHUP)
                booted += 2
                log.wait(READY, count=booted)
                os.kill(unwanted, signal.SIGTERM)
                log.wait(rf"the new arbiter \(pid {unwanted}\) ended with code 0; pid {old} serves on")
                new = start_another(old)
                rest(old)
                os.kill(old, signal.SIGQUIT)
                log.wait(r"The arbiter before this one \(pid \d+\) is gone", count=number)
                assert int(pidfile.read_text()) == new
                old = new
        os.kill(old, signal.SIGTERM)
        assert log.wait_end(), log.text
    finally:
        server.destroy()
    return fates


def handovers(options: tuple[str, ...], folder: Path, count: int) -> Fates:
    """The next server starts on the same listener; as soon as it is ready the last one gets TERM."""
    running: list[tuple[subprocess.Popen[bytes], Log]] = []

    def start(fd: int) -> None:
        running.append(launch(["--bind", f"fd://{fd}", *options, "-w", "2", _app(options)], HERE, pass_fds=(fd,)))
        running[-1][1].wait(READY, count=2)

    def stop() -> None:
        process, log = running.pop(0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0, log.text
        assert log.wait_end()
        log.close()

    with bound() as listener:
        try:
            start(listener.fileno())
            with load(listener.getsockname()[1]) as fates:
                for _ in range(count):
                    start(listener.fileno())
                    stop()
            stop()
        finally:
            for process, _ in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(WAIT_S)
    return fates


@dataclass
class Autopsy:
    """The failures that clients saw while workers were killed, each set against what the server wrote of the deaths."""

    fates: Fates
    kills: int = 0
    named: list[Failure] = field(default_factory=list)
    """Their requests are named in a death record: they were in flight."""
    unread: list[Failure] = field(default_factory=list)
    """Sent to a living worker that was killed before it had read them, or when their answers were about to leave."""
    stale: list[Failure] = field(default_factory=list)
    """Sent on a kept connection whose worker was dead already, by a client that does not look before it sends."""
    unexplained: list[Failure] = field(default_factory=list)

    def row(self, name: str) -> str:
        parts = f"named={len(self.named)} unread={len(self.unread)} stale={len(self.stale)}"
        parts += f" unexplained={len(self.unexplained)}"
        return f"{self.fates.row(name)} | {self.kills} kills {parts}"


def murders(options: tuple[str, ...], folder: Path, seconds: float, *, every: float = 0.5, seed: int = 1) -> Autopsy:
    """SIGKILL to a random ready worker of four, at a steady pace."""
    chance = random.Random(seed)
    server = Server([*options, "-w", "4", _app(options)], HERE)
    killed: dict[int, float] = {}
    try:
        server.wait_ready(4)
        with load(server.port) as fates:
            began = time.monotonic()
            while (now := time.monotonic()) < began + seconds:
                ready = {int(match[1]) for match in server.log.wait(READY)} - killed.keys()
                if ready:
                    victim = chance.choice(sorted(ready))
                    killed[victim] = now
                    os.kill(victim, signal.SIGKILL)
                time.sleep(every)  # the pace is what this scene is about
        for victim in killed:
            server.log.wait(rf"Worker \(pid:{victim}\) was sent SIGKILL!.*class=outside-signal")
        assert server.stop() == 0
    finally:
        server.destroy()
    return _examine(fates, killed, server.log.text)


def _examine(fates: Fates, killed: dict[int, float], log: str) -> Autopsy:
    autopsy = Autopsy(fates, len(killed))
    named = {
        name: int(pid)
        for pid, requests in re.findall(r"Worker \(pid:(\d+)\) was sent SIGKILL!.* in_flight=\[(.*)\]", log)
        for name in re.findall(r"/\?r=([\d-]+);", requests)
    }
    room = {
        int(pid): int(connections) + 1  # and one that it had accepted a moment ago
        for pid, connections in re.findall(r"Worker \(pid:(\d+)\) was sent SIGKILL!.* connections=(\d+)", log)
    }
    for failure in sorted(fates.failures, key=lambda failure: failure.at):
        death = killed.get(named.get(failure.request, -1))
        if death is not None and death - 0.1 <= failure.at <= death + _UNREAD_S:
            autopsy.named.append(failure)
        elif killed.get(failure.served_by, failure.at) < failure.sent_at:
            autopsy.stale.append(failure)
        elif failure.fate in ("reset", "closed") and (pid := _died_with(failure, killed, room)):
            room[pid] = room.get(pid, 1) - 1
            autopsy.unread.append(failure)
        else:
            autopsy.unexplained.append(failure)
    return autopsy


def _died_with(failure: Failure, killed: dict[int, float], room: dict[int, int]) -> int:
    """The worker that died just when this was lost, the one of its connection; 0 if there is none.

    For a fresh connection it may be any, but none can have lost more than it had accepted. So for a kept one that its
    worker had left to a sibling, of which nobody told the client; that is believed at the moment of the death only.
    """
    moved = 0
    for pid, at in killed.items():
        if room.get(pid, 1) <= 0 or failure.at < at - 0.1:
            continue
        if failure.served_by in (0, pid) and failure.at <= at + _UNREAD_S:
            return pid
        if failure.at <= at + _MOVED_S:
            moved = pid
    return moved
