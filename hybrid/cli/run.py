"""`hybrid [run] [OPTIONS] APP`: where settings, arbiter and workers are put together."""

from __future__ import annotations

import os

import click

from hybrid import logs
from hybrid.cli.command import SettingsCommand, enter_folder, require_app
from hybrid.cli.options import parse_command_line
from hybrid.settings import Resolved, Settings, resolve, start_folder

ABOUT = (
    "Serve a WSGI or ASGI application. APP is package.module:attribute; by default the attribute is application or app."
)


def run(values: dict[str, object], check_config: bool = False, print_config: bool = False) -> int:
    """Serve until told to stop; the exit code. Raises SettingsError."""
    if check_config or print_config:
        from hybrid.cli.check import check_config as check

        return check(values, is_printed=print_config)
    # Not at the top: `hybrid check` and `--help` have no use for them. Before the settings: see arbiter/unpatched.py.
    from hybrid.arbiter import run_arbiter
    from hybrid_workers.child import run_worker

    cwd = start_folder()
    # A settings file may change os.environ; a reload must not take its own changes for the operator's.
    environ = dict(os.environ)

    def read() -> Resolved:
        return resolve(values, environ, cwd, parse=parse_command_line)

    first = [read()]  # a Python settings file is a program: it must not run twice at the start
    if first[0].settings.daemon and "_HYBRID_UPGRADE" not in os.environ:  # its predecessor is in the background
        _go_to_background(first[0].settings)

    def load_settings() -> Settings:
        resolved = first.pop() if first else read()
        require_app(resolved.settings)
        enter_folder(resolved.settings)
        for warning in resolved.warnings:
            logs.error_log.warning("%s", warning)
        for note in resolved.notes:
            logs.error_log.info("%s", note)
        return resolved.settings

    return run_arbiter(load_settings, run_worker)


def _go_to_background(settings: Settings) -> None:
    """What can be wrong with the settings is said before, while somebody sees it."""
    from hybrid.cli.daemon import leave_terminal

    require_app(settings)
    if os.environ.get("NOTIFY_SOCKET"):
        logs.error_log.warning("--daemon under systemd with Type=notify: systemd loses the process; leave it out")
    leave_terminal(keeps_output=settings.enable_stdio_inheritance)


class RunCommand(SettingsCommand):
    """`run` is what `hybrid --help` is about, so its help also names the other commands."""

    def write(self, formatter: click.HelpFormatter, *, is_full: bool) -> None:
        from hybrid.cli.main import COMMANDS

        super().write(formatter, is_full=is_full)
        with formatter.section("Commands (each has its own --help)"):
            formatter.write_dl([(f"hybrid {name}", about) for name, (_, about) in COMMANDS.items()])


command = RunCommand(
    "run",
    run,
    ABOUT,
    "[OPTIONS] APP",
    [
        click.Option(
            ["--check-config"], is_flag=True, help="Load settings and application, then exit: 0 if both are fine."
        ),
        click.Option(["--print-config"], is_flag=True, help="Print every setting, then do as --check-config."),
    ],
)
