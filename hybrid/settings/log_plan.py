"""What the settings say about logs, as the logs take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from hybrid.logs import Plan
from hybrid.settings.model import Settings


def log_plan(settings: Settings, owner: tuple[int, int] | None, cfg: Callable[[], object]) -> Plan:
    """`owner` is who must be able to reopen the files; `cfg` makes what the user's logger class is given."""
    return Plan(
        errorlog=settings.errorlog,
        loglevel=settings.loglevel,
        accesslog=settings.accesslog,
        access_log_format=settings.access_log_format,
        capture_output=settings.capture_output,
        use_colors=settings.use_colors,
        owner=owner,
        logger_class=settings.logger_class if settings.logger_class not in SERVERS_OWN else "",
        cfg=cfg,
        logconfig=settings.logconfig,
        logconfig_json=settings.logconfig_json,
        logconfig_dict=cast("Mapping[str, object] | None", settings.logconfig_dict.value),  # the kind took a dict only
        syslog=settings.syslog,
        syslog_addr=settings.syslog_addr,
        syslog_prefix=settings.syslog_prefix or settings.proc_name or settings.app.replace(":", "."),
        syslog_facility=settings.syslog_facility,
        is_access_in_syslog=not settings.disable_redirect_access_to_syslog,
        statsd_host=settings.statsd_host,
        statsd_prefix=settings.statsd_prefix,
        dogstatsd_tags=settings.dogstatsd_tags,
    )


SERVERS_OWN = ("gunicorn.glogging.Logger", "simple", "gunicorn.instrument.statsd.Statsd", "hybrid.logs.Logger")
"""Logger classes that do what the logs here do anyway."""
