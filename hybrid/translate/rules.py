"""What one option of another server becomes, as values; and the tables of all servers are made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hybrid.settings import TABLE
from hybrid.settings.foreign import GUNICORN, UVICORN, Foreign


@dataclass(frozen=True, slots=True)
class Rule:
    """One option. `to` is our setting, "" for none; `note` says what differs.

    `value` is ours for an option without one, "" to take what was given. `convert` makes ours of what was given.
    """

    to: str = ""
    takes_value: bool = True
    value: str = ""
    note: str = ""
    convert: Callable[[str], str] | None = None
    quiet: tuple[str, ...] = ()
    """Values at which nothing differs."""
    is_optional: bool = False
    """The value may be left out (gunicorn's --proxy-protocol)."""


Rules = dict[str, Rule]


def same(names: str) -> Rules:
    """Rules for options that are ours under the same name: "--workers workers, -w workers"."""
    rules = {}
    for pair in names.split(","):
        flag, to = pair.split()
        rules[flag] = Rule(to)
    return rules


def switch(to: str, value: str = "true", note: str = "") -> Rule:
    """An option without a value that becomes one."""
    return Rule(to, takes_value=False, value=value, note=note)


def none(note: str, *, takes_value: bool = True) -> Rule:
    """An option that becomes nothing, and why."""
    return Rule(takes_value=takes_value, note=note)


def of_settings(others: tuple[Foreign, ...]) -> Rules:
    """The rules that our own command line follows: every option there is one of ours, or explained."""
    rules: Rules = {}
    for entry in TABLE:
        for flags in entry.flags:
            on, _, off = flags.partition("/")
            if any("/" in flag for flag in entry.flags):
                rules[on] = switch(entry.name)
                if off:
                    rules[off] = switch(entry.name, "false")
            else:
                rules[on] = Rule(entry.name, is_optional=bool(entry.bare), value=entry.bare)
    for foreign in others:
        for flags in foreign.flags:
            on, _, off = flags.partition("/")
            for flag in filter(None, (on, off)):
                rules[flag] = Rule(takes_value=not foreign.is_flag, note=foreign.reason, quiet=foreign.quiet)
    return rules


OF_GUNICORN = {
    **of_settings(GUNICORN),
    "--no-control-socket": switch("control_socket", "off"),
    "--check-config": none("run `hybrid --check-config` with the same options", takes_value=False),
    "--print-config": none("run `hybrid config` with the same options", takes_value=False),
}
OF_UVICORN = {
    **of_settings(UVICORN),
    "--host": Rule("host"),
    "--port": Rule("port"),
    "--uds": Rule("bind", convert=lambda path: f"unix:{path}"),
    "--fd": Rule("bind", convert=lambda fd: f"fd://{fd}"),
    "--no-ws-per-message-deflate": switch("ws_per_message_deflate", "false"),
    "--access-log": switch("accesslog", "-"),
    "--no-access-log": switch("accesslog", ""),
    "--http": Rule("http", convert=lambda name: name if name in ("auto", "h11", "httptools") else "auto"),
    "--loop": Rule("loop", convert=lambda name: name if name in ("auto", "uvloop", "asyncio") else "auto"),
}
