"""`--reload`: a helper process that writes a line when a source file changes.

A process and not a thread, because the arbiter forks and therefore runs no threads; and the watching library
brings its own. The helper dies with the arbiter: it sees its pipe break, and the kernel tells it where it can.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable
from fnmatch import fnmatch

from hybrid.arbiter.unpatched import fork
from hybrid.contract.parent import signal_when_parent_dies
from hybrid.errors import SettingsError
from hybrid.settings import Settings

_SUFFIXES = (".py", ".toml", ".ini", ".cfg", ".html", ".jinja", ".jinja2")
_IGNORED_FOLDERS = {
    "__pycache__",
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "node_modules",
    ".mypy_cache",
    ".pytest_cache",
}


class Watcher:
    """The helper, seen from the arbiter. `fileno()` is readable when something changed."""

    def __init__(self, settings: Settings, close_ours: Callable[[], None]) -> None:
        """Start it. Raises SettingsError when the library is missing."""
        if importlib.util.find_spec("watchfiles") is None:
            raise SettingsError(
                "setting reload: the package watchfiles is not installed; pip install 'hybrid-arbiter[reload]'"
            )
        self.folders = roots(settings)
        self._read_end, write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        arbiter = os.getpid()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.pid = fork()
        if self.pid == 0:
            try:
                os.close(self._read_end)
                close_ours()
                _take_no_commands()
                signal_when_parent_dies(signal.SIGKILL, arbiter)
                _watch(self.folders, settings, write_end)
            finally:
                os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(write_end)

    def fileno(self) -> int:
        return self._read_end

    def receive(self) -> list[str]:
        """The files that changed since the last call; an empty name says that the watching has begun."""
        try:
            data = os.read(self._read_end, 65536)
        except BlockingIOError:
            return []
        return os.fsdecode(data).splitlines()

    def stop(self) -> None:
        """End the helper. Its exit is reaped with the others."""
        os.close(self._read_end)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def roots(settings: Settings) -> tuple[str, ...]:
    """The folders to watch: where the application is imported from."""
    folders = settings.reload_dirs or (os.getcwd(), *settings.pythonpath)
    return tuple(dict.fromkeys(os.path.abspath(folder) for folder in folders if os.path.isdir(folder)))


def is_source(
    path: str, extra: tuple[str, ...], includes: tuple[str, ...] = (), excludes: tuple[str, ...] = ()
) -> bool:
    """Does a change of this file ask for a reload? Folders of tools and of installed packages do not count.

    `extra` are paths, and patterns of paths; `includes` and `excludes` are patterns of file names, and the
    second are also folders. What is named outright counts before what is excluded, and that before what is
    included.
    """
    if any(path == name or path.startswith(name.rstrip("/") + "/") or fnmatch(path, name) for name in extra):
        return True
    base = os.path.basename(path)
    if any(fnmatch(base, name) or path.startswith(os.path.abspath(name) + "/") for name in excludes):
        return False
    if any(fnmatch(base, name) for name in includes):
        return True
    folders = path.split("/")[:-1]
    return path.endswith(_SUFFIXES) and not _IGNORED_FOLDERS.intersection(folders)


def _take_no_commands() -> None:
    """Signals to the whole process group (Ctrl-C) are for the arbiter, which ends us."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


class _Begun:
    """Is asked on every turn of the watching whether to stop: the first question says that the watching has begun."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def is_set(self) -> bool:
        if self._pipe is not None:
            os.write(self._pipe, b"\n")
            self._pipe = None
        return False


def _watch(folders: tuple[str, ...], settings: Settings, pipe: int) -> None:
    from watchfiles import Change, watch  # here, so that only the helper pays for it

    files = tuple(os.path.abspath(name) for name in settings.reload_extra_files)

    def wanted(change: Change, path: str) -> bool:
        return is_source(path, files, settings.reload_includes, settings.reload_excludes)

    existing = tuple(name for name in files if os.path.exists(name))
    # The next batch waits until the last is quiet: an editor and a version control tool write many files at once.
    begun = _Begun(pipe)
    for changes in watch(
        *folders,
        *existing,
        watch_filter=wanted,
        debounce=max(1, int(settings.reload_delay * 1000)),
        step=50,
        raise_interrupt=False,
        stop_event=begun,
        force_polling={"poll": True, "inotify": False}.get(settings.reload_engine),
    ):
        line = "\n".join(sorted(path for _, path in changes)) + "\n"
        os.write(pipe, os.fsencode(line)[:4096])
