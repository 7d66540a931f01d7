"""hybrid: one arbiter, interchangeable workers, any Python web application."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid.api import Server, run

__version__ = "0.1.0"

__all__ = ["Server", "__version__", "run"]


def __getattr__(name: str) -> object:
    """`hybrid.run` and `hybrid.Server` bring everything with them, so they are imported when they are used."""
    if name in ("Server", "run"):
        import importlib

        return getattr(importlib.import_module("hybrid.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
