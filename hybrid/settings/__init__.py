"""The settings: one table, from which the command line, files, environment and documentation derive."""

from hybrid.settings.given import Origin
from hybrid.settings.model import TABLE, Settings
from hybrid.settings.resolve import Resolved, resolve, start_folder

__all__ = ["TABLE", "Origin", "Resolved", "Settings", "resolve", "start_folder"]
