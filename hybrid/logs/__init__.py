"""The server's log and the access log: what a line looks like, where it goes, and how it gets there cheaply."""

from typing import TYPE_CHECKING

from hybrid.logs.access import AccessLog
from hybrid.logs.atoms import compile_format
from hybrid.logs.plan import Plan
from hybrid.logs.server import access_log, configure, error_log, gauge, open_access_log, reopen

if TYPE_CHECKING:
    from hybrid.logs.logger import Logger

__all__ = [
    "AccessLog",
    "Logger",
    "Plan",
    "access_log",
    "compile_format",
    "configure",
    "error_log",
    "gauge",
    "open_access_log",
    "reopen",
]


def __getattr__(name: str) -> object:
    """`Logger`, the base class for --logger-class, is imported when somebody subclasses it."""
    if name == "Logger":
        from hybrid.logs.logger import Logger

        return Logger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
