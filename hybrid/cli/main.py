"""`hybrid COMMAND ...`, where anything that is no command is an application to run.

Each command is a module, imported when it is called: `hybrid run` must not pay for the others. All
errors of ours end here, as one line on stderr and an exit code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from hybrid.errors import HybridError

COMMANDS = {
    "run": ("hybrid.cli.run", "Serve an application (the default: `hybrid APP`)."),
    "check": ("hybrid.cli.check", "Load settings and application, say what was found, exit."),
    "config": ("hybrid.cli.config", "Show every setting, its value and where the value came from."),
    "translate": ("hybrid.cli.translate", "Translate the start command of another server."),
    "status": ("hybrid.cli.control:status", "Show how a running server is."),
    "workers": ("hybrid.cli.control:workers", "Show each worker of a running server, and what it is doing."),
    "reload": ("hybrid.cli.control:reload", "Have a running server load settings and application anew."),
    "scale": ("hybrid.cli.control:scale", "Change the number of workers of a running server."),
    "route": ("hybrid.cli.routes:route", "Change a route of a running server, for all workers at once."),
    "routes": ("hybrid.cli.routes:routes", "Show the routes of a running server, as lines for hybrid.toml."),
    "promote": ("hybrid.cli.routes:promote", "Give all requests of a route to one pool."),
    "rollback": ("hybrid.cli.routes:rollback", "Take the last change of a running server's routes back."),
    "migration": ("hybrid.cli.migration:migration", "Show how far a migration is, and what speaks against going on."),
    "upgrade": ("hybrid.cli.control:upgrade", "Replace a running server by a newly started one, on the same sockets."),
    "stop": ("hybrid.cli.control:stop", "Stop a running server."),
}
"""Command -> module, with the attribute if it is not `command`, and its line in the help."""

USAGE_ERROR = 2


class Hybrid(click.Group):
    """The commands, loaded when used; without one it is `run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute or "command")
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in COMMANDS:
            args = ["run", *args]
        return super().parse_args(ctx, args)


cli = Hybrid("hybrid", add_help_option=False, context_settings={"max_content_width": 110})


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Messages go to stderr; nothing of ours shows a traceback."""
    try:
        code: object = cli.main(args=None if args is None else list(args), prog_name="hybrid", standalone_mode=False)
    except click.UsageError as error:
        return _fail(_usage_message(error), USAGE_ERROR)
    except click.ClickException as error:
        return _fail(error.format_message(), 1)
    except click.Abort:
        return 130
    except HybridError as error:
        return _fail(str(error), getattr(error, "exit_code", 1))
    except BrokenPipeError:  # `hybrid config | head`
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


def _usage_message(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}{_nearest_option(error)}"
    message = error.format_message().rstrip(".")
    message = message[0].lower() + message[1:]
    if "unexpected extra argument" in message and error.ctx is not None and error.ctx.info_name == "run":
        return f"{message}; a command comes before its options: hybrid check [OPTIONS] APP"
    return message


def _nearest_option(error: click.NoSuchOption) -> str:
    import difflib

    parameters = error.ctx.command.params if error.ctx is not None else []
    known = [flag for parameter in parameters for flag in (*parameter.opts, *parameter.secondary_opts)]
    close = difflib.get_close_matches(error.option_name, [flag for flag in known if flag.startswith("--")], n=1)
    return f"; did you mean {close[0]}?" if close else "; see hybrid --help-all"


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"hybrid: error: {message}\n")
    return code
