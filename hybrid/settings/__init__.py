"""The settings: one table, from which the command line, files, environment and documentation derive."""

from hybrid.settings.model import Settings

__all__ = ["Settings"]
