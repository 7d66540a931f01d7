"""`hybrid [run] [OPTIONS] APP`: where settings, logs, arbiter and workers are put together."""

from __future__ import annotations

import os

import click

from hybrid import logs
from hybrid.cli.command import SettingsCommand, enter_folder, require_app
from hybrid.settings import Resolved, Settings, resolve


def run(values: dict[str, object], check_config: bool = False, print_config: bool = False) -> int:
    """Serve until told to stop; the exit code."""
    if check_config or print_config:
        from hybrid.cli import check

        return check.check_config(values, is_printed=print_config)
    cwd = os.getcwd()
    environ = dict(os.environ)

    def load_settings() -> Settings:
        resolved = resolve(values, environ, cwd)
        require_app(resolved.settings)
        apply(resolved)
        return resolved.settings

    load_settings()
    # Not at the top: `hybrid check` and `--help` have no use for them.
    from hybrid_workers.child import run_worker

    from hybrid.arbiter import run_arbiter

    return run_arbiter(load_settings, run_worker)


def apply(resolved: Resolved) -> None:
    """Make this process what the settings say: its folder and its logs. Raises SettingsError."""
    settings = resolved.settings
    enter_folder(settings)
    log = logs.configure(settings.errorlog, settings.loglevel, settings.accesslog)
    for warning in resolved.warnings:
        log.warning("%s", warning)


ABOUT = (
    "Serve a WSGI or ASGI application. APP is package.module:attribute; without an attribute: application, then app."
)

command = SettingsCommand(
    "run",
    run,
    ABOUT,
    "[OPTIONS] APP",
    [
        click.Option(
            ["--check-config"], is_flag=True, help="Load settings and application, then exit: 0 when both are fine."
        ),
        click.Option(["--print-config"], is_flag=True, help="Print every setting, then do as --check-config."),
    ],
)
