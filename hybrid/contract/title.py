"""What `ps` shows of our processes, where the optional package setproctitle is installed."""

from __future__ import annotations

from hybrid.settings import Settings


def set_title(role: str, settings: Settings, place: str = "") -> None:
    """Show e.g. "hybrid: worker [shop] main/0". Without the package the processes keep their command line."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(f"hybrid: {role} [{settings.proc_name or settings.app}] {place}".rstrip())
