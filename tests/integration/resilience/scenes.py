"""What happens to a server while it is under load."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from pathlib import Path

from tests.integration.resilience.chaos import Fates, bound, load
from tests.integration.server import WAIT_S, Log, Server, launch

HERE = Path(__file__).parent
READY = r"Worker ready \(pid: (\d+)\)"


def _app(options: tuple[str, ...]) -> str:
    return "slow_app:asgi_app" if "asgi" in options else "slow_app:wsgi_app"


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
                process.kill()
                process.wait(WAIT_S)
    return fates


def murders(options: tuple[str, ...], folder: Path, count: int, seed: int = 1) -> tuple[Fates, int]:
    """SIGKILL to a random worker, again when its successor is ready. With the fates: how many failures are its due.

    A killed worker takes with it what it had begun and what waits unread in its connections: of each client at most
    one request for each kill.
    """
    chance = random.Random(seed)
    server = Server([*options, "-w", "2", _app(options)], HERE)
    clients = 8
    try:
        alive = server.wait_ready(2)
        with load(server.port, clients=clients) as fates:
            for number in range(1, count + 1):
                victim = alive.pop(chance.randrange(len(alive)))
                os.kill(victim, signal.SIGKILL)
                server.log.wait(rf"Worker \(pid: ?{victim}\) was sent SIGKILL")
                alive.append(int(server.log.wait(READY, count=2 + number)[1 + number][1]))
        records = re.findall(r"was sent SIGKILL!.*class=outside-signal", server.log.text)
        assert len(records) == count, server.log.text
        assert server.stop() == 0
    finally:
        server.destroy()
    return fates, clients * count
