"""What the settings ask of the logs, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Plan(NamedTuple):
    """The settings about logs, under their names."""

    errorlog: str = "-"
    loglevel: str = "info"
    accesslog: str = ""
    access_log_format: str = ""
    capture_output: bool = False
    use_colors: str = "auto"
    owner: tuple[int, int] | None = None
    """The (uid, gid) that must be able to reopen the files."""
    logger_class: str = ""
    cfg: Callable[[], object] | None = None
    """Makes what an instance of `logger_class` is given."""
    logconfig: str = ""
    logconfig_json: str = ""
    logconfig_dict: Mapping[str, object] | None = None
    syslog: bool = False
    syslog_addr: str = ""
    syslog_prefix: str = ""
    syslog_facility: str = "user"
    is_access_in_syslog: bool = True
    statsd_host: str = ""
    statsd_prefix: str = ""
    dogstatsd_tags: str = ""

    @property
    def has_logconfig(self) -> bool:
        return bool(self.logconfig or self.logconfig_json or self.logconfig_dict)
