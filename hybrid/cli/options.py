"""Command-line options made from the settings table, and the help that is printed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click

from hybrid.settings import TABLE
from hybrid.settings.entry import GROUPS, Entry
from hybrid.settings.foreign import FOREIGN, Foreign

OTHER = "Other"


class SettingOption(click.Option):
    """An option that stands for one setting. Its value stays text: the settings read it, as every other layer."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        is_flag = any("/" in flag for flag in entry.flags)
        # Given as None it would not mean "none": the value would become optional.
        bare: dict[str, Any] = {"flag_value": entry.bare} if entry.bare else {}
        super().__init__(
            [*entry.flags, entry.name],
            default=None,
            multiple=entry.kind.is_list,
            is_flag=is_flag,
            type=click.BOOL if is_flag else click.STRING,
            metavar=entry.kind.metavar or None,
            help=entry.help,
            **bare,
        )


class ForeignOption(click.Option):
    """An option of another server that is no setting here: accepted, and explained by the settings. Not in any help."""

    def __init__(self, foreign: Foreign) -> None:
        super().__init__(
            [*foreign.flags, foreign.name],
            default=None,
            multiple=foreign.is_list,
            is_flag=foreign.is_flag,
            type=click.BOOL if foreign.is_flag else click.STRING,
            hidden=True,
        )


def setting_options() -> list[click.Parameter]:
    """One option for each setting that has a flag, and those of other servers."""
    own = [SettingOption(entry) for entry in TABLE if entry.flags]
    taken = {name for option in own for name in (option.name, *option.opts)}
    others = [ForeignOption(foreign) for foreign in FOREIGN if foreign.flags]
    return [*own, *(option for option in others if taken.isdisjoint((option.name, *option.opts)))]


def parse_command_line(args: Sequence[str]) -> dict[str, object]:
    """The options in such a list that are settings, by name; the help and the application in it are left out.

    For command lines that are not the process's own. Raises ValueError with a message.
    """
    parameters = [*setting_options(), click.Argument(["app"], nargs=-1), *(_switch(name) for name in _NOT_SETTINGS)]
    command = click.Command("hybrid", params=parameters, add_help_option=False)
    try:
        context = command.make_context("hybrid", list(args))
    except click.ClickException as error:
        raise ValueError(error.format_message()) from error
    return {name: value for name, value in context.params.items() if name != "app" and name not in _NOT_SETTINGS}


_NOT_SETTINGS = {"own_check_config": "--check-config", "own_print_config": "--print-config"}


def _switch(name: str) -> click.Option:
    return click.Option([_NOT_SETTINGS[name], name], is_flag=True)


def write_help(formatter: click.HelpFormatter, parameters: Iterable[click.Parameter], *, is_full: bool) -> None:
    """The options by subject; unless `is_full`, only the common ones."""
    rows: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, OTHER)}
    for parameter in parameters:
        if isinstance(parameter, SettingOption):
            if is_full or parameter.entry.is_common:
                rows[parameter.entry.group].append((_spelling(parameter.entry), _explained(parameter.entry)))
        elif isinstance(parameter, click.Option) and not parameter.hidden:
            rows[OTHER].append((", ".join(parameter.opts), parameter.help or ""))
    for group, lines in rows.items():
        if lines:
            with formatter.section(group):
                formatter.write_dl(lines, col_max=32)


def _spelling(entry: Entry) -> str:
    """Flags for help: of an on/off pair, the one that changes the default."""
    flags = [flag.split("/")[1 if entry.default is True and "/" in flag else 0] for flag in entry.flags]
    short = [flag for flag in flags if not flag.startswith("--")]
    metavar = f" [{entry.kind.metavar}]" if entry.bare else f" {entry.kind.metavar}" if entry.kind.metavar else ""
    return ", ".join([*short, next(flag for flag in flags if flag.startswith("--"))]) + metavar


def _explained(entry: Entry) -> str:
    default = shown_default(entry)
    text = entry.help.replace("`", "")
    if entry.default is True:
        return f"Do not: {text[0].lower()}{text[1:]}"
    return f"{text} [{default}]" if default else text


def shown_default(entry: Entry) -> str:
    """The default in words, "" for none and off."""
    if entry.shown_default:
        return entry.shown_default
    if entry.default is True:
        return "on"
    if isinstance(entry.default, tuple):
        return ", ".join(entry.default)
    if isinstance(entry.default, bool) or entry.default == "":
        return ""
    if isinstance(entry.default, float):
        return f"{entry.default:g}"
    return str(entry.default)
