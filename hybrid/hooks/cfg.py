"""`server.cfg` and `worker.cfg`: the settings under gunicorn's names, with its values for "none" and "off"."""

from __future__ import annotations

import os
from collections.abc import Mapping

from hybrid.settings import TABLE, Settings
from hybrid.settings.foreign import GUNICORN
from hybrid.settings.kinds import Opaque

_NONE_WHEN_EMPTY = frozenset(
    {
        "accesslog",
        "ca_certs",
        "certfile",
        "ciphers",
        "keyfile",
        "logconfig",
        "logconfig_json",
        "pidfile",
        "proc_name",
        "statsd_host",
        "syslog_prefix",
    }
)
_LISTS = frozenset({"bind", "raw_env", "reload_extra_files"})


class Cfg:
    """Read-only: a hook that wants other settings changes the settings file. Also has what a Python file defined."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.hooks = settings.hooks

    def __getattr__(self, name: str) -> object:
        settings: Settings = self.__dict__["_settings"]
        try:
            value = getattr(settings, name)
        except AttributeError:
            if name in _FOREIGN:
                return None
            raise AttributeError(
                f"there is no setting {name!r}; hooks see the settings under the names in docs/settings.md"
            ) from None
        if isinstance(value, Opaque):
            return value.value if value else {}
        if name in _LISTS:
            return list(value)
        if name == "pythonpath":
            return ",".join(value) or None
        if name == "secure_scheme_headers":
            return dict(pair.split("=", 1) for pair in value)
        if value == "" and name in _NONE_WHEN_EMPTY:
            return None
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def set(self, name: str, value: object) -> None:
        """gunicorn's way to change a setting; here they are fixed once they are read."""
        raise TypeError(f"cfg.set({name!r}, ...): settings cannot be changed by a hook; assign {name} in the file")

    @property
    def settings(self) -> Mapping[str, object]:
        """All of them by name."""
        return {entry.name: getattr(self, entry.name) for entry in TABLE}

    @property
    def address(self) -> list[object]:
        """Where it listens: (host, port) pairs, paths, descriptors."""
        return [_address(bind) for bind in self._settings.bind]

    @property
    def env(self) -> dict[str, str]:
        """What --env gives the application."""
        pairs = (pair.partition("=") for pair in self._settings.raw_env)
        return {name: value for name, _, value in pairs}

    @property
    def proc_name(self) -> str:
        return self._settings.proc_name or self._settings.app

    @property
    def wsgi_app(self) -> str:
        return self._settings.app

    @property
    def chdir(self) -> str:
        return self._settings.chdir or os.getcwd()

    @property
    def worker_class_str(self) -> str:
        return self._settings.worker_class

    @property
    def is_ssl(self) -> bool:
        return bool(self._settings.certfile)

    @property
    def ssl_options(self) -> dict[str, object]:
        """The settings about TLS."""
        return {name: getattr(self, name) for name in ("keyfile", "certfile", "ca_certs", "cert_reqs", "ciphers")}


_FOREIGN = frozenset(foreign.name for foreign in GUNICORN)


def _address(bind: str) -> object:
    if bind.startswith("unix:"):
        return bind.removeprefix("unix:")
    if bind.startswith("fd://"):
        return int(bind.removeprefix("fd://"))
    host, _, port = bind.removeprefix("tcp://").rpartition(":")
    return (host.strip("[]") or "0.0.0.0", int(port)) if port.isdigit() else (bind, 8000)
