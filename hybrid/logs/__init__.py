"""The server's log and the access log: what a line looks like, where it goes, and how it gets there cheaply."""

from hybrid.logs.access import AccessLog
from hybrid.logs.atoms import compile_format
from hybrid.logs.server import access_log, configure, error_log, open_access_log, reopen

__all__ = ["AccessLog", "access_log", "compile_format", "configure", "error_log", "open_access_log", "reopen"]
