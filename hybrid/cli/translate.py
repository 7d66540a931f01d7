"""`hybrid translate -- COMMAND...`: another server's start line as ours, and what differs."""

from __future__ import annotations

import sys

import click

from hybrid.errors import SettingsError
from hybrid.translate import Translation
from hybrid.translate import translate as translated


def translate(words: tuple[str, ...]) -> int:
    """Print it; the exit code. Raises StartError. Without words the line is read from standard input."""
    if not words:
        line = sys.stdin.readline().strip()
        if not line:
            raise SettingsError("translate: no command; give it as in: hybrid translate -- gunicorn -w 4 app:app")
        words = (line,)
    for line in report(translated(words)):
        click.echo(line)
    return 0


def report(made: Translation) -> list[str]:
    """What is printed."""
    lines = [made.command, "", "# The same as hybrid.toml, to be started with just: hybrid", *made.toml.splitlines()]
    if not made.app:
        lines += ["", f"# No application is named: {made.server} takes it from its settings file, and so does hybrid."]
    if made.differences:
        lines += ["", "# What differs:", *(f"# - {difference}" for difference in made.differences)]
    return lines


command = click.Command(
    "translate",
    callback=translate,
    params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
    help="Translate the start command of gunicorn, uvicorn, hypercorn, granian, daphne or waitress-serve, a Procfile"
    " line or an ExecStart line. Write -- in front of it.",
    context_settings={"ignore_unknown_options": True},
)
