"""Logging to syslog, as gunicorn does: one program name for the server's log, one for the access log."""

from __future__ import annotations

import logging
import socket
from logging.handlers import SYSLOG_UDP_PORT, SysLogHandler

from hybrid.errors import SettingsError
from hybrid.logs.plan import Plan

_FORMAT = "[%(process)d] [%(levelname)s] %(message)s"
_EXPECTED = "udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#dgram or unix://PATH#stream"


def syslog_handler(plan: Plan, name: str) -> logging.Handler:
    """A handler for the "error" or the "access" log. Raises SettingsError naming what cannot be used."""
    facility = SysLogHandler.facility_names.get(plan.syslog_facility.lower())
    if facility is None:
        known = ", ".join(sorted(SysLogHandler.facility_names))
        raise SettingsError(f"setting syslog_facility: found {plan.syslog_facility!r}, expected one of {known}")
    address, kind = parse_address(plan.syslog_addr)
    try:
        handler = SysLogHandler(address, facility, kind)
    except OSError as error:
        raise SettingsError(f"setting syslog_addr: cannot reach {plan.syslog_addr}: {error.strerror}") from error
    handler.append_nul = False
    program = f"gunicorn.{plan.syslog_prefix}.{name}"
    handler.setFormatter(logging.Formatter(f"{program}: {_FORMAT if name == 'error' else '%(message)s'}"))
    return handler


def parse_address(text: str) -> tuple[str | tuple[str, int], socket.SocketKind | None]:
    """Where, and by which kind of socket; None tries both kinds that a unix socket may have."""
    if text.startswith("unix://"):
        path, _, kind = text.removeprefix("unix://").partition("#")
        kinds = {"": None, "dgram": socket.SOCK_DGRAM, "stream": socket.SOCK_STREAM}
        if path and kind in kinds:
            return path, kinds[kind]
    for prefix, kind_of_prefix in (("udp://", socket.SOCK_DGRAM), ("tcp://", socket.SOCK_STREAM)):
        if text.startswith(prefix):
            host, _, port = text.removeprefix(prefix).partition(":")
            if host and (not port or port.isdigit()):
                return (host, int(port or SYSLOG_UDP_PORT)), kind_of_prefix
    raise SettingsError(f"setting syslog_addr: found {text!r}, expected {_EXPECTED}")


class SyslogSink:
    """Takes the access log's lines."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def write(self, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            self._handler.handle(logging.makeLogRecord({"msg": line, "levelno": logging.INFO, "levelname": "INFO"}))
