"""The command line: the only part that knows every other."""

from hybrid.cli.main import main

__all__ = ["main"]
