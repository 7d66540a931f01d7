"""The logs through Python's logging, for those who configure it: record by record, in the form that is expected.

Which loggers get the records is read off the configuration: `hybrid.error` and `hybrid.access`, or gunicorn's
or uvicorn's names for the same two. Access records carry their values: a mapping of atoms for gunicorn's
logger, a tuple for uvicorn's, because formatters of JSON lines read `record.args`.
"""

from __future__ import annotations

import configparser
import json
import logging
import logging.config
import os
import time
from collections.abc import Iterable, Mapping

from hybrid.errors import SettingsError
from hybrid.logs.access import AccessLog, stamp
from hybrid.logs.atoms import LoggedRequest, user
from hybrid.logs.plan import Plan
from hybrid.logs.standin import other_servers_names

FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"
FAMILIES = ("hybrid", "gunicorn", "uvicorn")

_DEFAULTS: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {"generic": {"format": FORMAT, "datefmt": DATE_FORMAT}},
}
"""What a dictionary is laid over, key by key at the top: it may name `console` without defining it, as in gunicorn."""


def apply(plan: Plan) -> tuple[str, str]:
    """Configure Python's logging, and give the names of the loggers for the two logs, "" for one that has none.

    Raises SettingsError saying what is wrong with which setting.
    """
    setting, config = _read(plan)
    try:
        with other_servers_names():
            if isinstance(config, str):
                logging.config.fileConfig(
                    config,
                    defaults={"__file__": config, "here": os.path.dirname(os.path.abspath(config))},
                    disable_existing_loggers=False,
                )
                named = _named_in_ini(config)
            else:
                config = over_defaults(config)
                logging.config.dictConfig(config)
                loggers = config.get("loggers")
                named = set(loggers) if isinstance(loggers, Mapping) else set()
    except Exception as error:  # a configuration names classes, which may raise anything
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        raise SettingsError(f"setting {setting}: {type(error).__name__}: {error}{cause}") from error
    return _logger_for("error", named), _logger_for("access", named)


def over_defaults(config: Mapping[str, object]) -> dict[str, object]:
    """The configuration with what it leaves out; of the defaults' users of handlers only those that it has."""
    merged = {**_DEFAULTS, **config}
    handlers = merged["handlers"]
    if isinstance(handlers, Mapping) and not {"console", "error_console"} <= handlers.keys():
        for key in ("root", "loggers"):
            if key not in config:
                del merged[key]
    return merged


def _read(plan: Plan) -> tuple[str, dict[str, object] | str]:
    """The setting that counts, and its dictionary, or its file for the old form."""
    if plan.logconfig_dict:
        return "logconfig_dict", dict(plan.logconfig_dict)
    setting, path = ("logconfig_json", plan.logconfig_json) if plan.logconfig_json else ("logconfig", plan.logconfig)
    suffix = ".json" if setting == "logconfig_json" else os.path.splitext(path)[1].lower()
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise SettingsError(f"setting {setting}: cannot read {path}: {(error.strerror or '').lower()}") from error
    if suffix not in (".json", ".yaml", ".yml", ".toml"):
        return setting, path
    try:
        found = _parse(text, suffix, setting)
    except ValueError as error:
        raise SettingsError(f"setting {setting}: {path}: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"setting {setting}: {path}: expected a dictionary for logging.config.dictConfig")
    return setting, found


def _parse(text: str, suffix: str, setting: str) -> object:
    if suffix == ".json":
        return json.loads(text)
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]  # optional
    except ImportError:
        raise SettingsError(f"setting {setting}: YAML needs the package pyyaml; install it, or use JSON") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _named_in_ini(path: str) -> set[str]:
    parser = configparser.RawConfigParser()
    parser.read(path)
    names = [name.strip() for name in parser.get("loggers", "keys", fallback="").split(",")]
    return {parser.get(f"logger_{name}", "qualname", fallback=name) for name in names}


def _logger_for(kind: str, named: Iterable[str]) -> str:
    names = set(named)
    for family in FAMILIES:
        if f"{family}.{kind}" in names:
            return f"{family}.{kind}"
    return next((f"{family}.{kind}" for family in FAMILIES if family in names), "")


def reopen_files() -> None:
    """Open anew the files of every handler that Python's logging knows of, after rotation."""
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.FileHandler):
                handler.acquire()
                try:
                    if handler.stream is not None:
                        handler.close()
                        handler.stream = handler._open()
                finally:
                    handler.release()


class Relay(logging.Handler):
    """Hands records on to another logger, under that one's name."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        if self._target.isEnabledFor(record.levelno):
            copy = logging.makeLogRecord(vars(record))
            copy.name = self._target.name
            self._target.handle(copy)


class LoggerAccess(AccessLog):
    """The access log as records of a logger. `log` is called by one thread at a time."""

    __slots__ = ("_format", "_is_uvicorn", "_logger")

    def __init__(self, logger: logging.Logger, access_log_format: str) -> None:
        self._logger = logger
        self._format = access_log_format
        self._is_uvicorn = logger.name.startswith("uvicorn")
        self.needs_environ = not self._is_uvicorn
        self.needs_response_headers = not self._is_uvicorn

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
        if not self._logger.isEnabledFor(logging.INFO):
            return
        target = request.target.decode("latin-1")
        if self._is_uvicorn:
            version = f"1.{request.version}"
            peer = getattr(request, "client", None)
            client = f"{peer[0]}:{peer[1]}" if peer else client
            self._logger.info('%s - "%s %s HTTP/%s" %d', client, request.method, target, version, status)
            return
        atoms = atoms_of(request, status, response_bytes, duration_s, client, response_headers or (), environ or {})
        self._logger.info(self._format, Atoms(atoms))

    def flush(self) -> None:
        """Records are not kept back."""


class Atoms(dict[str, object]):
    """The atoms of one request. A missing one is "-", names in braces are found in any case, quotes are escaped."""

    def __init__(self, atoms: Mapping[str, object]) -> None:
        super().__init__(
            (key, value.replace('"', '\\"') if isinstance(value, str) else value) for key, value in atoms.items()
        )

    def __missing__(self, key: str) -> object:
        return self.get(key.lower(), "-") if key.startswith("{") else "-"


def atoms_of(
    request: LoggedRequest,
    status: int,
    response_bytes: int,
    duration_s: float,
    client: str,
    response_headers: Iterable[tuple[bytes, bytes]],
    environ: Mapping[str, object],
) -> dict[str, object]:
    """Every atom by its name."""
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    authorization = fields.get("authorization")
    version = f"HTTP/1.{request.version}"
    microseconds = int(duration_s * 1e6)
    return {
        "h": client or "-",
        "l": "-",
        "u": user(authorization.encode("latin-1")) if authorization else "-",
        "t": stamp(time.localtime()),
        "r": f"{request.method} {request.target.decode('latin-1')} {version}",
        "s": str(status),
        "m": request.method,
        "U": request.path.decode("latin-1"),
        "q": request.query.decode("latin-1"),
        "H": version,
        "b": str(response_bytes),
        "B": response_bytes,
        "f": fields.get("referer", "-"),
        "a": fields.get("user-agent", "-"),
        "T": microseconds // 1_000_000,
        "D": microseconds,
        "M": microseconds // 1000,
        "L": f"{microseconds / 1e6:.6f}",
        "p": f"<{os.getpid()}>",
        **{f"{{{name}}}i": value for name, value in fields.items()},
        **{f"{{{name.decode('latin-1')}}}o": value.decode("latin-1") for name, value in response_headers},
        **{f"{{{name.lower()}}}e": value for name, value in environ.items()},
    }
