"""`hybrid migration`: how far a migration is, and what speaks against going on."""

from __future__ import annotations

import json
import os

import click

from hybrid.cli.control import JSON, ask, finding
from hybrid.control import find_arbiter
from hybrid.errors import HybridError


@click.command(
    "migration",
    help="Say of each route of a running server which pool serves it how well, how shadow answers compare, and whether"
    " it is ready to be moved.",
    add_help_option=False,
)
@finding
@JSON
@click.option("--html", "path", default="", metavar="FILE", help="Write a page with plots, for a team to look at.")
def migration(control_socket: str, pid: str, as_json: bool, path: str) -> int:
    client = find_arbiter(control_socket=control_socket, pid=pid)
    try:
        document = ask(client, {"command": "migration"})["migration"]
    finally:
        client.close()
    from hybrid import report

    facts = report.read_facts(document)
    if path:
        _write(path, report.page(facts))
        click.echo(f"Wrote {path}")
    if as_json:
        click.echo(json.dumps({**document, "verdicts": report.verdicts_json(facts)}, indent=2))
    elif not path:
        click.echo(report.text(facts))
    return 0


def _write(path: str, page: str) -> None:
    """Whole or not at all: somebody may have the page open, or serve it."""
    fresh = f"{path}.{os.getpid()}"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(page)
        os.replace(fresh, path)
    except OSError as error:
        raise HybridError(f"cannot write {path}: {(error.strerror or '').lower()}") from error
