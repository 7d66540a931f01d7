"""The server's own log, and which log files are open.

Lines look like gunicorn's, `[time] [pid] [LEVEL] message`, because log pipelines already read them.
The arbiter opens the files, before any worker gives up its rights to do so; workers inherit them.
"""

from __future__ import annotations

import logging

from hybrid.errors import SettingsError
from hybrid.logs.access import AccessLog
from hybrid.logs.output import Output, open_output

FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"

error_log = logging.getLogger("hybrid.error")
access_log = logging.getLogger("hybrid.access")


class _Held(logging.Handler):
    """Keeps what is logged before the settings have said where to."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


_held = _Held()
error_log.addHandler(_held)
error_log.propagate = access_log.propagate = False

_outputs: dict[tuple[str, int], Output] = {}
"""The open destinations by path and standard descriptor."""


class OutputHandler(logging.Handler):
    """Writes each record with one write to an Output."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        self.output.write(text.encode("utf-8", "backslashreplace") + b"\n")


def configure(
    errorlog: str = "-", loglevel: str = "info", accesslog: str = "", owner: tuple[int, int] | None = None
) -> logging.Logger:
    """Open the log files and set up the server's logger, which is returned. Again after a change of settings.

    Raises SettingsError for a file that cannot be written; the logs are then as they were before.
    """
    wanted = {(errorlog, 2): "errorlog"}
    if accesslog:
        wanted[accesslog, 1 if accesslog == "-" else 2] = "accesslog"
    opened: dict[tuple[str, int], Output] = {}
    try:
        for (path, fd), setting in wanted.items():
            if (path, fd) not in _outputs:
                opened[path, fd] = open_output(path, fd, setting, owner)
    except SettingsError:
        for output in opened.values():
            output.close()
        raise
    _outputs.update(opened)
    handler = OutputHandler(_outputs[errorlog, 2])
    handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
    error_log.handlers[:] = [handler]
    error_log.setLevel(loglevel.upper())
    while _held.records:
        error_log.handle(_held.records.pop(0))
    for key in [key for key in _outputs if key not in wanted]:
        _outputs.pop(key).close()
    return error_log


def open_access_log(accesslog: str, access_log_format: str) -> AccessLog | None:
    """The access log that `configure` opened, or a new one; None for "". Called by the worker, once."""
    if not accesslog:
        return None
    key = (accesslog, 1 if accesslog == "-" else 2)
    if key not in _outputs:
        _outputs[key] = open_output(*key, setting="accesslog")
    return AccessLog(access_log_format, _outputs[key])


def reopen() -> None:
    """Open every log file anew, after rotation (USR1). Where that fails the old file stays, and the log says so."""
    for output in list(_outputs.values()):
        try:
            output.reopen()
        except OSError as error:
            error_log.error("Cannot reopen log file %s: %s; writing on to the old one", output.path, error.strerror)
