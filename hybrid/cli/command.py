"""What the commands that take settings have in common: options, help, and how values reach the settings."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

import hybrid
from hybrid.cli.options import setting_options, write_help
from hybrid.errors import SettingsError
from hybrid.settings import Settings


class SettingsCommand(click.Command):
    """A command with every setting as an option, APP as its argument, and a help that is grouped by subject.

    The function gets the options that were given, by setting name, and those of its own as keywords.
    """

    def __init__(
        self, name: str, act: Callable[..., int], about: str, usage: str, own: list[click.Parameter] | None = None
    ) -> None:
        self._about, self._usage = about, usage
        own = own or []
        own_names = {parameter.name for parameter in own}

        def call(**given: object) -> int:
            mine = {key: value for key, value in given.items() if key in own_names}
            return act({key: value for key, value in given.items() if key not in own_names}, **mine)

        super().__init__(
            name,
            params=[click.Argument(["app"], required=False), *setting_options(), *own, *_help_options()],
            callback=call,
            add_help_option=False,
        )

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.write(formatter, is_full=False)

    def write(self, formatter: click.HelpFormatter, *, is_full: bool) -> None:
        formatter.write_usage("hybrid", self._usage)
        formatter.write_paragraph()
        formatter.write_text(self._about)
        write_help(formatter, self.params, is_full=is_full)


def _help_options() -> list[click.Parameter]:
    def show(is_full: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
        def callback(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
            if is_given:
                formatter = ctx.make_formatter()
                assert isinstance(ctx.command, SettingsCommand)
                ctx.command.write(formatter, is_full=is_full)
                click.echo(formatter.getvalue().rstrip("\n"))
                ctx.exit()

        return callback

    return [
        click.Option(
            ["--help", "-h"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=show(False),
            help="Show the common options.",
        ),
        click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=show(True),
            help="Show all options.",
        ),
        click.Option(
            ["--version", "-v"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        ),
    ]


def _show_version(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given:
        click.echo(f"hybrid {hybrid.__version__}")
        ctx.exit()


def require_app(settings: Settings) -> None:
    """Raises SettingsError when no application was named anywhere."""
    if not settings.app and not settings.pools:
        raise SettingsError(
            "no application: name one, as in `hybrid package.module:app`, or as `app` in a settings file or HYBRID_APP"
        )


def enter_folder(settings: Settings) -> None:
    """Change to the folder of --chdir. Raises SettingsError."""
    if settings.chdir:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise SettingsError(
                f"setting chdir: cannot change to {settings.chdir}: {(error.strerror or '').lower()}"
            ) from error
