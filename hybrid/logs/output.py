"""Where log bytes go: a file, stdout or stderr, by file descriptor.

Every line reaches the kernel in one write to a descriptor in append mode, so that the lines of
several processes do not mix. Reopening replaces the file *behind* the descriptor (dup2): whoever
holds the number, in this process, writes to the new file from then on, without a lock.
"""

from __future__ import annotations

import errno
import os
import select
import stat

from hybrid.errors import SettingsError

PIPE_BUF = select.PIPE_BUF
_MODE = 0o644
_PATIENCE_S = 1.0


class Output:
    """An open log destination. Owns its descriptor unless it is stdout or stderr."""

    __slots__ = ("_fd", "_is_pipe", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path if path == "-" else os.path.abspath(path)
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self._is_pipe = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    def fileno(self) -> int:
        return self._fd

    def write(self, data: bytes) -> None:
        """Write whole lines. Never raises: no server stops because its log cannot be written.

        On a pipe only up to PIPE_BUF bytes are sure to stay together when other processes write to
        it too (pipe(7)), so there larger batches go in pieces that end with a line.
        """
        if not self._is_pipe or len(data) <= PIPE_BUF:
            self._write(data)
            return
        start = 0
        while start < len(data):
            end = start + PIPE_BUF
            if end < len(data):
                cut = data.rfind(b"\n", start, end) + 1
                end = cut if cut > start else data.find(b"\n", end) + 1 or len(data)
            self._write(data[start:end])
            start = end

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                # Someone has made our stdout non-blocking and its reader is slow: wait a little, then lose these lines.
                if not select.select((), (self._fd,), (), _PATIENCE_S)[1]:
                    return
            except OSError:  # disk full, reader gone: there is nowhere left to say so
                return

    def reopen(self) -> None:
        """Open the path anew, for log rotation. Raises OSError, and then the old file stays in use."""
        if self.path != "-":
            fd = _open(self.path)
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)

    def close(self) -> None:
        if self.path != "-":
            os.close(self._fd)


def open_output(path: str, standard_fd: int, setting: str, owner: tuple[int, int] | None = None) -> Output:
    """Open a log destination; "-" is the given standard descriptor. Raises SettingsError naming the setting.

    `owner` is the (uid, gid) that must be able to reopen the file later, when the workers have changed user.
    """
    if path == "-":
        try:
            return Output(path, standard_fd)
        except OSError as error:
            raise SettingsError(
                f"setting {setting}: file descriptor {standard_fd} is closed; name a file instead of -"
            ) from error
    try:
        fd = _open(path)
    except OSError as error:
        raise SettingsError(f"setting {setting}: cannot write to {path}: {_reason(error, path)}") from error
    if owner is not None:
        try:
            os.fchown(fd, *owner)
        except OSError:  # not root: then the workers cannot change user either
            pass
    return Output(path, fd)


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


def _reason(error: OSError, path: str) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no folder {os.path.dirname(os.path.abspath(path))}"
    return (error.strerror or str(error)).lower()
