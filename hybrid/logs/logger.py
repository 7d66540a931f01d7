"""`logger_class`: a class of the user's that logs, in gunicorn's form, and a base class for it.

The base class is for those who do not have gunicorn installed; subclasses of gunicorn's own work as well,
since only the methods count: `access(resp, req, environ, request_time)`, `error_log`, `reopen_files()`.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from hybrid.errors import SettingsError
from hybrid.logs.access import AccessLog
from hybrid.logs.atoms import LoggedRequest
from hybrid.logs.plan import Plan
from hybrid.logs.views import RequestView, ResponseView, environ_of

_LEVELS = {name.lower(): getattr(logging, name) for name in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")}


class LogsAccess(Protocol):
    """What is used of an instance of `logger_class`."""

    error_log: logging.Logger

    def access(self, resp: Any, req: Any, environ: Mapping[str, object], request_time: timedelta) -> None: ...

    def reopen_files(self) -> None: ...


class Logger:
    """A base class for `logger_class`: subclass it and override what should be different."""

    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"

    def __init__(self, cfg: Any) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = self.access_log.propagate = False
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg: Any) -> None:
        """Give the two loggers their handlers. Also called for a change of settings."""
        self.cfg = cfg
        self.loglevel = _LEVELS.get(str(cfg.loglevel).lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        self._set(self.error_log, cfg.errorlog, logging.Formatter(self.error_fmt, self.datefmt), sys.stderr)
        self._set(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt), sys.stdout)

    def _set(self, log: logging.Logger, path: str | None, formatter: logging.Formatter, stream: Any) -> None:
        for handler in [handler for handler in log.handlers if getattr(handler, "is_ours", False)]:
            log.removeHandler(handler)
            handler.close()
        if path:
            handler = logging.StreamHandler(stream) if path == "-" else logging.FileHandler(path)
            vars(handler)["is_ours"] = True
            handler.setFormatter(formatter)
            log.addHandler(handler)

    def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: object, *args: object, **kwargs: Any) -> None:
        level = _LEVELS.get(lvl.lower(), logging.INFO) if isinstance(lvl, str) else lvl
        self.error_log.log(level, msg, *args, **kwargs)

    def atoms(
        self, resp: ResponseView, req: RequestView, environ: Mapping[str, object], request_time: timedelta
    ) -> dict[str, object]:
        """The values that the access log format may use."""
        from hybrid.logs.stdlib import atoms_of

        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in resp.headers]
        client = str(environ.get("REMOTE_ADDR", ""))
        seconds = request_time.total_seconds()
        return atoms_of(req.received, resp.status_code, resp.sent, seconds, client, headers, environ)

    def access(
        self, resp: ResponseView, req: RequestView, environ: Mapping[str, object], request_time: timedelta
    ) -> None:
        """One request was answered."""
        from hybrid.logs.stdlib import Atoms

        try:
            self.access_log.info(self.cfg.access_log_format, Atoms(self.atoms(resp, req, environ, request_time)))
        except Exception:
            self.error(traceback.format_exc())

    def reopen_files(self) -> None:
        """After rotation."""
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                if isinstance(handler, logging.FileHandler):
                    handler.acquire()
                    try:
                        handler.close()
                        handler.stream = handler._open()
                    finally:
                        handler.release()

    def close_on_exec(self) -> None:
        """Descriptors never outlive an exec here."""


def make(plan: Plan) -> LogsAccess:
    """An instance of the user's class. Raises SettingsError for a class that cannot be imported, or that raises."""
    from hybrid.logs.standin import other_servers_names

    name = plan.logger_class
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        with other_servers_names():
            found = sys.modules.get(module) or importlib.import_module(module)
            made: LogsAccess = getattr(found, attribute)(plan.cfg() if plan.cfg is not None else None)
    except Exception as error:  # the user's code
        raise SettingsError(f"setting logger_class: {name}: {type(error).__name__}: {error}") from error
    return made


class ObjectAccess(AccessLog):
    """The access log as calls of the user's `access()`."""

    __slots__ = ("_logger",)

    def __init__(self, logger: LogsAccess) -> None:
        self._logger = logger
        self.needs_environ = True
        self.needs_response_headers = True

    def log(
        self,
        request: LoggedRequest,
        status: int,
        response_bytes: int,
        duration_s: float,
        client: str,
        response_headers: list[tuple[bytes, bytes]] | None = None,
        environ: Mapping[str, object] | None = None,
    ) -> None:
        resp = ResponseView(status, response_headers or (), response_bytes)
        if environ is None:
            environ = environ_of(request, client)
        try:
            self._logger.access(resp, RequestView(request), environ, timedelta(seconds=duration_s))
        except Exception:  # the user's code
            self._logger.error_log.exception("Exception in the access() of the logger class")

    def flush(self) -> None:
        """What the user's class keeps back is its own business."""
