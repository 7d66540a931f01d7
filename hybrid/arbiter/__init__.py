"""The parent process: binds, forks, watches, replaces. Imports no application, speaks no HTTP."""

from hybrid.arbiter.main import run_arbiter

__all__ = ["run_arbiter"]
