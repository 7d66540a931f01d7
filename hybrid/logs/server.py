"""The server's own log, and which log files are open.

Lines look like gunicorn's, `[time] [pid] [LEVEL] message`, because log pipelines already read them.
The arbiter opens the files, before any worker gives up its rights to do so; workers inherit them.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hybrid.errors import SettingsError
from hybrid.logs.access import AccessLog, Sink
from hybrid.logs.output import Output, open_output
from hybrid.logs.plan import Plan

if TYPE_CHECKING:  # what most servers never configure is imported only where it is
    from hybrid.logs.logger import LogsAccess
    from hybrid.logs.statsd import Statsd

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
error_log.setLevel(logging.DEBUG)  # of what is held, `configure` chooses
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


class _Colours(logging.Formatter):
    """The line, with the level in colour."""

    _CODES: ClassVar = {"DEBUG": 36, "INFO": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 35}

    def format(self, record: logging.LogRecord) -> str:
        plain = record.levelname
        record.levelname = f"\x1b[{self._CODES.get(plain, 0)}m{plain}\x1b[0m"
        try:
            return super().format(record)
        finally:
            record.levelname = plain


@dataclass(slots=True)
class _Current:
    """What the last `configure` has set up, apart from the files."""

    plan: Plan
    own: LogsAccess | None = None
    access_logger: str = ""
    statsd: Statsd | None = None
    syslog: logging.Handler | None = None


_current = _Current(Plan())


def configure(
    errorlog: str = "-",
    loglevel: str = "info",
    accesslog: str = "",
    owner: tuple[int, int] | None = None,
    *,
    plan: Plan | None = None,
) -> logging.Logger:
    """Open the log files and set up the server's logger, which is returned. Again after a change of settings.

    `plan` says all that the settings have to say, and then the others are not looked at. Raises
    SettingsError for a file that cannot be written, or a configuration that cannot be used; the logs are
    then as they were before, as far as Python's logging allows it.
    """
    global _current
    plan = plan or Plan(errorlog=errorlog, loglevel=loglevel, accesslog=accesslog, owner=owner)
    wanted = {(plan.errorlog, 2): "errorlog"}
    if plan.accesslog:
        wanted[plan.accesslog, 1 if plan.accesslog == "-" else 2] = "accesslog"
    opened: dict[tuple[str, int], Output] = {}
    try:
        for (path, fd), setting in wanted.items():
            if (path, fd) not in _outputs:
                opened[path, fd] = open_output(path, fd, setting, plan.owner)
        output = opened.get((plan.errorlog, 2)) or _outputs[plan.errorlog, 2]
        current = _Current(plan)
        handlers, level = _handlers(plan, output, current)
    except SettingsError:
        for output in opened.values():
            output.close()
        raise
    _outputs.update(opened)
    _current = current
    error_log.handlers[:] = handlers
    error_log.setLevel(level)
    _capture()
    for record in _held.records:
        if error_log.isEnabledFor(record.levelno):
            error_log.handle(record)
    _held.records.clear()
    for key in [key for key in _outputs if key not in wanted]:
        _outputs.pop(key).close()
    return error_log


def _handlers(plan: Plan, output: Output, current: _Current) -> tuple[list[logging.Handler], int]:
    """Where records of the server's log go, and from which level on; the rest of what is set up goes to `current`."""
    level: int = getattr(logging, plan.loglevel.upper())
    plain = OutputHandler(output)
    is_coloured = plan.use_colors == "on" or (plan.use_colors == "auto" and os.isatty(output.fileno()))
    plain.setFormatter((_Colours if is_coloured else logging.Formatter)(FORMAT, DATE_FORMAT))
    handlers: list[logging.Handler] = [plain]
    if plan.has_logconfig:
        from hybrid.logs import stdlib

        before = list(error_log.handlers)
        error_name, current.access_logger = stdlib.apply(plan)
        if error_name == error_log.name:
            handlers, level = list(error_log.handlers), error_log.level
            error_log.handlers[:] = before
        elif error_name:
            target = logging.getLogger(error_name)
            handlers, level = [stdlib.Relay(target)], target.getEffectiveLevel()
    if plan.logger_class:
        from hybrid.logs import logger, stdlib

        current.own = logger.make(plan)
        target = current.own.error_log
        handlers, level = [stdlib.Relay(target)], target.getEffectiveLevel()
    if plan.syslog:
        from hybrid.logs.syslog import syslog_handler

        handlers.append(syslog_handler(plan, "error"))
        current.syslog = syslog_handler(plan, "access") if plan.is_access_in_syslog else None
    if plan.statsd_host:
        from hybrid.logs.statsd import Statsd, StatsdHandler, has_text

        current.statsd = Statsd(plan.statsd_host, plan.statsd_prefix, plan.dogstatsd_tags)
        for handler in handlers:
            handler.setLevel(max(level, handler.level))
            handler.addFilter(has_text)
        # A metric may come with a message of any level, so that the level is now the other handlers' business.
        handlers.append(StatsdHandler(current.statsd))
        level = logging.DEBUG
    return handlers, level


def _capture() -> None:
    """--capture-output: what is printed goes where the log goes."""
    if _current.plan.capture_output and _current.plan.errorlog != "-":
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):  # closed, or none at all
                pass
        for fd in (1, 2):
            os.dup2(_outputs[_current.plan.errorlog, 2].fileno(), fd)


def gauge(name: str, value: float) -> None:
    """Send a metric of the arbiter's, where metrics are sent at all."""
    if _current.statsd is not None:
        _current.statsd.send(_current.statsd.metric(name, value, "g"))


def open_access_log(accesslog: str, access_log_format: str) -> AccessLog | None:
    """The access log that `configure` set up, or a new one; None where nobody wants one. Called by the worker, once."""
    found = _access_log(accesslog, access_log_format)
    if _current.statsd is None:
        return found
    from hybrid.logs.statsd import StatsdAccess

    return StatsdAccess(_current.statsd, found)


def _access_log(accesslog: str, access_log_format: str) -> AccessLog | None:
    if _current.own is not None:
        from hybrid.logs.logger import ObjectAccess

        return ObjectAccess(_current.own)
    if _current.access_logger:
        from hybrid.logs.stdlib import LoggerAccess

        return LoggerAccess(logging.getLogger(_current.access_logger), access_log_format)
    sinks: list[Sink] = []
    if accesslog:
        key = (accesslog, 1 if accesslog == "-" else 2)
        if key not in _outputs:
            _outputs[key] = open_output(*key, setting="accesslog")
        sinks.append(_outputs[key])
    if _current.syslog is not None:
        from hybrid.logs.syslog import SyslogSink

        sinks.append(SyslogSink(_current.syslog))
    if not sinks:
        return None
    return AccessLog(access_log_format, sinks[0] if len(sinks) == 1 else _Both(sinks))


class _Both:
    """A sink that is several."""

    def __init__(self, sinks: list[Sink]) -> None:
        self._sinks = sinks

    def write(self, data: bytes) -> None:
        for sink in self._sinks:
            sink.write(data)


def reopen() -> None:
    """Open every log file anew, after rotation (USR1). Where that fails the old file stays, and the log says so."""
    for output in list(_outputs.values()):
        try:
            output.reopen()
        except OSError as error:
            error_log.error("Cannot reopen log file %s: %s; writing on to the old one", output.path, error.strerror)
    _capture()
    if _current.plan.has_logconfig:
        from hybrid.logs import stdlib

        stdlib.reopen_files()
    if _current.own is not None:
        _current.own.reopen_files()
