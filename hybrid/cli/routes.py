"""`hybrid route`, `routes`, `promote` and `rollback`: the routes of a running server."""

from __future__ import annotations

import json
from typing import Any

import click

from hybrid.cli.control import JSON, ask, finding
from hybrid.control import find_arbiter
from hybrid.errors import HybridError


@click.command(
    "route",
    help="Change a route of a running server: `hybrid route '/api/*=legacy:90,modern:10'`. Requests under way are"
    " finished where they are. The change stays in force over reloads, and with --routes-state over restarts.",
    add_help_option=False,
)
@finding
@click.option("--sticky", type=click.Choice(["cookie", "client", "none"]), help="What keeps a user in one pool.")
@click.option("--remove", default="", metavar="PATTERN", help="Remove the route of this pattern.")
@click.argument("route", required=False)
def route(control_socket: str, pid: str, sticky: str | None, remove: str, route: str | None) -> int:
    if bool(route) == bool(remove):
        raise click.UsageError("give a route, such as '/api/*=legacy:90,modern:10', or --remove PATTERN")
    request: dict[str, object] = {"command": "route", "remove": remove} if remove else {"command": "route"}
    if route:
        request |= {"route": route, "sticky": sticky}
    return _change(control_socket, pid, request)


@click.command("routes", help="Show the routes of a running server, as lines for hybrid.toml.", add_help_option=False)
@finding
@JSON
def routes(control_socket: str, pid: str, as_json: bool) -> int:
    answer = _ask(control_socket, pid, {"command": "routes"})
    if as_json:
        shown = {key: answer[key] for key in ("routes", "configured", "is_changed", "version", "changes")}
        click.echo(json.dumps(shown, indent=2))
        return 0
    if answer["is_changed"]:
        click.echo("# Changed while the server runs; the settings file says otherwise.")
    click.echo(answer["toml"].rstrip() or "# No routes: the first pool serves all requests.")
    return 0


@click.command("promote", help="Give all requests of a route to one pool.", add_help_option=False)
@finding
@click.argument("pattern")
@click.argument("pool")
def promote(control_socket: str, pid: str, pattern: str, pool: str) -> int:
    return _change(control_socket, pid, {"command": "promote", "pattern": pattern, "pool": pool})


@click.command(
    "rollback",
    help="Take back the last change of the routes, or the last one of PATTERN. Once more takes back the one before.",
    add_help_option=False,
)
@finding
@click.argument("pattern", required=False, default="")
def rollback(control_socket: str, pid: str, pattern: str) -> int:
    return _change(control_socket, pid, {"command": "rollback", "pattern": pattern})


def _change(control_socket: str, pid: str, request: dict[str, object]) -> int:
    answer = _ask(control_socket, pid, request)
    click.echo(answer["text"])
    if answer["is_changed"]:
        click.echo(f"\n# For hybrid.toml:\n{answer['toml'].rstrip()}")
    return 0


def _ask(control_socket: str, pid: str, request: dict[str, object]) -> dict[str, Any]:
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        answer = ask(client, request)
    finally:
        client.close()
    if "routes" not in answer:
        raise HybridError("the server is older than this command and knows no routes")
    return answer
