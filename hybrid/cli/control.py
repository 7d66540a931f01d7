"""`hybrid status`, `workers`, `reload`, `scale` and `stop`: talking to a running arbiter.

Exit codes: 0 done, 1 not done - the message says why - and 2 for a command line that makes no sense.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hybrid.cli.tables import status_text, workers_text
from hybrid.control import Client, find_arbiter
from hybrid.errors import HybridError

F = TypeVar("F", bound=Callable[..., int])


def finding(function: F) -> F:
    """The options that say which arbiter is meant."""
    function = click.option("--control-socket", default="", metavar="PATH", help="The server's --control-socket.")(
        function
    )
    function = click.option("--pid", default="", metavar="PID|FILE", help="The server's process id or pidfile.")(
        function
    )
    return click.help_option("--help", "-h", help="Show this and exit.")(function)


_WAIT = click.option("--wait", is_flag=True, help="Return when it has ended, showing how it goes.")
_TIMEOUT = click.option("--timeout", type=float, default=None, metavar="SECONDS", help="With --wait: how long at most.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def ask(client: Client, request: dict[str, object], timeout_s: float | None = None) -> dict[str, Any]:
    """The answer; what goes on until then is printed. Raises HybridError, also when the answer is a refusal.

    The last line of what went on may be the answer's text already: then `is_told` is in it.
    """
    told = ""
    for message in client.ask(request, timeout_s=timeout_s):
        if message.get("type") == "progress":
            told = message["text"]
            click.echo(told)
        elif message.get("type") == "done":
            if message.get("ok"):
                return {**message, "is_told": bool(told) and told == message.get("text")}
            if message.get("traceback"):
                click.echo(message["traceback"].rstrip(), err=True)
            raise HybridError(str(message.get("text") or "refused"))
    raise HybridError(f"the arbiter (pid {client.pid}) ended before it had answered")


def _report(control_socket: str, pid: str) -> dict[str, Any]:
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        report: dict[str, Any] = ask(client, {"command": "status"})["status"]
    finally:
        client.close()
    return report


@click.command("status", help="Show how a running server is.", add_help_option=False)
@finding
@JSON
def status(control_socket: str, pid: str, as_json: bool) -> int:
    report = _report(control_socket, pid)
    click.echo(json.dumps(report, indent=2) if as_json else status_text(report))
    return 0


@click.command("workers", help="Show each worker of a running server, and what it is doing.", add_help_option=False)
@finding
@JSON
def workers(control_socket: str, pid: str, as_json: bool) -> int:
    found = _report(control_socket, pid)["workers"]
    click.echo(json.dumps(found, indent=2) if as_json else workers_text(found))
    return 0


@click.command(
    "reload",
    help="Load settings and application anew. The old workers serve until the new ones can; if those cannot,"
    " nothing changes, and with --wait the reason is printed and the exit code is 1.",
    add_help_option=False,
)
@finding
@_WAIT
@_TIMEOUT
def reload(control_socket: str, pid: str, wait: bool, timeout: float | None) -> int:
    return _order(control_socket, pid, {"command": "reload", "wait": wait}, timeout)


@click.command("scale", help="Change the number of workers of a pool.", add_help_option=False)
@finding
@click.argument("pool")
@click.argument("size", type=click.IntRange(1))
def scale(control_socket: str, pid: str, pool: str, size: int) -> int:
    return _order(control_socket, pid, {"command": "scale", "pool": pool, "size": size}, None)


@click.command("stop", help="Stop a running server; requests under way are finished.", add_help_option=False)
@finding
@_WAIT
@_TIMEOUT
@click.option("--quick", is_flag=True, help="Drop requests under way.")
def stop(control_socket: str, pid: str, wait: bool, timeout: float | None, quick: bool) -> int:
    request: dict[str, object] = {"command": "stop", "wait": wait, "quick": quick}
    if not wait:
        return _order(control_socket, pid, request, None)
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        for message in client.ask(request, timeout_s=timeout):
            if message.get("type") == "progress":
                click.echo(message["text"])
        if not client.wait_gone(10.0):
            raise HybridError(f"the arbiter (pid {client.pid}) closed its control socket, but has not ended")
    finally:
        client.close()
    click.echo(f"Stopped (pid {client.pid})")
    return 0


@click.command(
    "upgrade",
    help="Start the server's command line anew, on the same sockets, and stop the old one when all workers of the new"
    " one are ready. If they never are, the old one serves on.",
    add_help_option=False,
)
@finding
@_WAIT
@_TIMEOUT
def upgrade(control_socket: str, pid: str, wait: bool, timeout: float | None) -> int:
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        answer = ask(client, {"command": "upgrade", "wait": wait}, timeout)
        if wait:
            client.wait_gone(timeout)
    finally:
        client.close()
    _tell(answer)
    return 0


def _order(control_socket: str, pid: str, request: dict[str, object], timeout_s: float | None) -> int:
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        answer = ask(client, request, timeout_s)
    finally:
        client.close()
    _tell(answer)
    return 0


def _tell(answer: dict[str, Any]) -> None:
    if not answer["is_told"]:
        click.echo(answer["text"])
