"""The file with the arbiter's pid in it."""

from __future__ import annotations

import os

from hybrid.errors import SettingsError


class Pidfile:
    """Holds our pid from `write()` to `remove()`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._pid = 0

    def write(self) -> None:
        """Create it, complete from its first moment on: temporary file, then rename.

        Raises SettingsError when another process that is alive has its pid in it, or when it cannot be written.
        """
        other = _read(self.path)
        if other and other != os.getpid() and _is_alive(other):
            raise SettingsError(f"Already running on PID {other} (or pid file '{self.path}' is stale)")
        temporary = f"{self.path}.{os.getpid()}"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with os.fdopen(fd, "w") as file:
                file.write(f"{os.getpid()}\n")
            os.chmod(temporary, 0o644)  # whatever the umask says: others must be able to read it
            os.rename(temporary, self.path)
        except OSError as error:
            try:
                os.unlink(temporary)
            except OSError:  # it was that which could not be made
                pass
            raise SettingsError(
                f"setting pidfile: cannot write {self.path}: {(error.strerror or str(error)).lower()};"
                " the folder must exist and be writable"
            ) from error
        self._pid = os.getpid()

    def move(self, path: str) -> None:
        """Be at another path from now on; what is there is replaced. Where that fails it stays where it is."""
        path = os.path.abspath(path)
        try:
            os.rename(self.path, path)
        except OSError:  # somebody removed it, or the folder
            return
        self.path = path

    def remove(self) -> None:
        """Remove it if it is still ours: somebody else may have written theirs since."""
        if self._pid and _read(self.path) == self._pid:
            try:
                os.unlink(self.path)
            except OSError:  # the folder went, or became read-only: the next start finds a stale pid in it
                pass


def _read(path: str) -> int:
    """The pid in the file; 0 for no file, and for a file that is no pidfile."""
    try:
        with open(path, "rb") as file:
            return int(file.read(32) or b"0")
    except (OSError, ValueError):
        return 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not ours to signal, so it is there
        return True
    return True
