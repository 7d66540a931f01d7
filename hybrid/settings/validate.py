"""The rules that hold between settings. What one value alone may be is the business of its kind."""

from __future__ import annotations

from collections.abc import Mapping

from hybrid.errors import SettingsError
from hybrid.logs import compile_format
from hybrid.settings.given import Origin
from hybrid.settings.model import Settings


def validate(settings: Settings, origins: Mapping[str, Origin]) -> tuple[str, ...]:
    """What deserves a warning. Raises SettingsError for a combination that cannot work.

    Pure: whether a file exists or a port is free shows when it is used.
    """

    def refuse(name: str, problem: str) -> SettingsError:
        return SettingsError(f"setting {name} ({origins[name]}): {problem}")

    if settings.keyfile and not settings.certfile:
        raise refuse("keyfile", "a key without a certificate; give --certfile too")
    if settings.cert_reqs and not settings.ca_certs:
        raise refuse("cert_reqs", "client certificates cannot be checked without --ca-certs")
    if (settings.ca_certs or settings.keyfile_password) and not settings.certfile:
        raise refuse("ca_certs" if settings.ca_certs else "keyfile_password", "is for TLS, which needs --certfile")
    warnings = []
    if settings.max_requests_jitter and not settings.max_requests:
        warnings.append("max_requests_jitter has no effect without max_requests")
    if settings.preload_app and settings.reuse_port:
        warnings.append("preload_app has no effect with reuse_port: every worker imports the application")
    if settings.preload_request and not settings.preload_app:
        warnings.append("preload_request has no effect without preload_app")
    if settings.accesslog:
        try:
            unknown = compile_format(settings.access_log_format).unknown
        except ValueError as error:
            raise refuse("access_log_format", str(error)) from None
        warnings += [f"access_log_format: there is no atom %({name})s; it prints -" for name in unknown]
    return tuple(warnings)
