"""What `ps` shows of our processes, where the optional package setproctitle is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hybrid.settings import Settings


def set_title(role: str, settings: Settings, place: str = "") -> None:
    """Show e.g. "hybrid: worker [shop] main/0". Without the package the processes keep their command line."""
    setproctitle = _find()
    if setproctitle is not None:
        setproctitle(f"hybrid: {role} [{settings.proc_name or settings.app}] {place}".rstrip())


@cache  # looking for a package that is not there takes as long as importing one, and each worker would do it anew
def _find() -> Callable[[str], None] | None:
    try:
        from setproctitle import setproctitle
    except ImportError:
        return None
    found: Callable[[str], None] = setproctitle
    return found
