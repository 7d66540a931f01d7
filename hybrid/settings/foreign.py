"""Options of gunicorn and uvicorn that are no settings of ours: accepted, and either translated or explained.

A start command that another server understands must not fail here, and must not silently mean something
else. So each of these either becomes one of our settings (`--host` and `--port` become `bind`), or is
accepted with one warning that says why it has no effect and what to use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hybrid.settings.given import Given, Origin


class Foreign(NamedTuple):
    """One of them. `quiet` are the values, in lower case, at which nothing is different, so that nothing is said."""

    name: str
    flags: tuple[str, ...]
    reason: str
    quiet: tuple[str, ...] = ()
    is_flag: bool = False
    is_list: bool = False


_NO_HTTP2 = "HTTP/2 is not spoken; put nginx, Caddy or another proxy that does in front"
_NO_DIRTY = "there are no side pools for long jobs; use a task queue, or a pool of your own behind a route"
_NO_PASTE = "PasteDeploy files are not read; name the application as module:attribute, for a factory with --factory"
_STRICT = "requests that break RFC 9112 in this way are always refused, since a proxy may read them differently"
_TRANSLATED = ""
"""The reason of those that become a setting: there is nothing to explain."""

GUNICORN = (
    Foreign("spew", ("--spew",), "lines are not traced; use a debugger or `python -X faulthandler`", ("false",), True),
    Foreign(
        "worker_tmp_dir",
        ("--worker-tmp-dir",),
        "proofs of life are in shared memory, not in a file; leave it out, nothing blocks on a disk",
    ),
    Foreign("default_proc_name", (), "use proc_name"),
    Foreign("paste", ("--paste", "--paster"), _NO_PASTE),
    Foreign("raw_paste_global_conf", ("--paste-global",), _NO_PASTE, ("[]", "()"), is_list=True),
    Foreign(
        "protocol",
        ("--protocol",),
        "the uwsgi protocol is not spoken; use proxy_pass instead of uwsgi_pass in nginx",
        ("http",),
    ),
    Foreign(
        "uwsgi_allow_ips",
        ("--uwsgi-allow-from",),
        "the uwsgi protocol is not spoken; use proxy_pass in nginx and --forwarded-allow-ips",
        ("127.0.0.1,::1",),
    ),
    Foreign(
        "ssl_version",
        ("--ssl-version",),
        "TLS 1.2 is the oldest version; change the context in the hook ssl_context",
        ("2", "17", "tls", "tls_server"),
    ),
    Foreign(
        "suppress_ragged_eofs",
        ("--suppress-ragged-eofs",),
        "a TLS connection that ends without notice is always a normal end",
        ("true",),
        True,
    ),
    Foreign(
        "do_handshake_on_connect",
        ("--do-handshake-on-connect",),
        "handshakes never block the worker; see --tls-handshake-timeout",
        ("false",),
        True,
    ),
    Foreign("http_protocols", ("--http-protocols",), _NO_HTTP2, ("h1",)),
    Foreign("http2_cleartext", ("--http2-cleartext",), _NO_HTTP2, ("off",)),
    Foreign("http2_max_concurrent_streams", ("--http2-max-concurrent-streams",), _NO_HTTP2, ("100",)),
    Foreign("http2_initial_window_size", ("--http2-initial-window-size",), _NO_HTTP2, ("65535",)),
    Foreign("http2_max_frame_size", ("--http2-max-frame-size",), _NO_HTTP2, ("16384",)),
    Foreign("http2_max_header_list_size", ("--http2-max-header-list-size",), _NO_HTTP2, ("65536",)),
    Foreign("permit_obsolete_folding", ("--permit-obsolete-folding",), _STRICT, ("false",), True),
    Foreign("strip_header_spaces", ("--strip-header-spaces",), _STRICT, ("false",), True),
    Foreign(
        "permit_unconventional_http_method",
        ("--permit-unconventional-http-method",),
        "every method that is a token is passed to the application, except CONNECT and lower-case spellings",
        ("false",),
        True,
    ),
    Foreign("permit_unconventional_http_version", ("--permit-unconventional-http-version",), _STRICT, ("false",), True),
    Foreign("casefold_http_method", ("--casefold-http-method",), _STRICT, ("false",), True),
    Foreign(
        "asgi_disconnect_grace_period",
        ("--asgi-disconnect-grace-period",),
        "an application is told of a disconnect and never cancelled for it; it ends when it returns",
        ("3",),
    ),
    Foreign("control_socket_disable", ("--no-control-socket",), _TRANSLATED, is_flag=True),
    Foreign(
        "control_socket_mode",
        ("--control-socket-mode",),
        "the control socket asks who is at the other end: its own user and root may, nobody else",
        ("384", "0o600", "0600"),
    ),
    Foreign("dirty_apps", ("--dirty-app",), _NO_DIRTY, ("[]", "()"), is_list=True),
    Foreign("dirty_workers", ("--dirty-workers",), _NO_DIRTY, ("0",)),
    Foreign("dirty_threads", ("--dirty-threads",), _NO_DIRTY, ("1",)),
    Foreign("dirty_timeout", ("--dirty-timeout",), _NO_DIRTY, ("300",)),
    Foreign("dirty_graceful_timeout", ("--dirty-graceful-timeout",), _NO_DIRTY, ("30",)),
    Foreign("on_dirty_starting", (), _NO_DIRTY),
    Foreign("dirty_post_fork", (), _NO_DIRTY),
    Foreign("dirty_worker_init", (), _NO_DIRTY),
    Foreign("dirty_worker_exit", (), _NO_DIRTY),
    Foreign("check_config", (), "give --check-config on the command line", ("false",)),
    Foreign("print_config", (), "give --print-config on the command line", ("false",)),
)

UVICORN = (
    Foreign("host", ("--host",), _TRANSLATED),
    Foreign("port", ("--port",), _TRANSLATED),
    Foreign("uds", ("--uds",), _TRANSLATED),
    Foreign("fd", ("--fd",), _TRANSLATED),
    Foreign("access_log", ("--access-log/--no-access-log",), _TRANSLATED, is_flag=True),
    Foreign("no_ws_per_message_deflate", ("--no-ws-per-message-deflate",), _TRANSLATED, is_flag=True),
    Foreign(
        "ws",
        ("--ws",),
        "WebSockets are always spoken through the websockets library; an application refuses those it does not want",
        ("auto", "websockets", "websockets-sansio"),
    ),
    Foreign("http2", ("--http2",), _NO_HTTP2, ("false",), True),
    Foreign(
        "timeout_worker_healthcheck",
        ("--timeout-worker-healthcheck",),
        "workers prove that they live in shared memory; --timeout is how long one may be silent",
        ("5",),
    ),
    Foreign(
        "h11_max_incomplete_event_size",
        ("--h11-max-incomplete-event-size",),
        "use --limit-request-head, which holds for every parser",
    ),
    Foreign(
        "reset_contextvars",
        ("--reset-contextvars",),
        "each request starts from a copy of the context that lifespan startup left",
        ("false",),
        True,
    ),
)

FOREIGN = (*GUNICORN, *UVICORN)

BY_NAME = {foreign.name: foreign for foreign in FOREIGN}

IN_FILES = {foreign.name: foreign for foreign in GUNICORN}
"""Those that are taken notice of in a settings file: `host` in a Python file is any variable of its author's."""

_ADDRESS = ("host", "port", "uds", "fd")


def translate(values: Mapping[str, Given]) -> tuple[dict[str, Given], tuple[str, ...]]:
    """Our settings for those of these names that were given, and what has to be said about the others.

    `values` are the foreign ones of one layer, by name.
    """
    found: dict[str, Given] = {}
    bind = _bind(values)
    if bind is not None:
        found["bind"] = bind
    access = values.get("access_log")
    if access is not None:
        found["accesslog"] = Given("-" if _is_on(access.value) else "", access.origin)
    if "control_socket_disable" in values and _is_on(values["control_socket_disable"].value):
        found["control_socket"] = Given("off", values["control_socket_disable"].origin)
    if "no_ws_per_message_deflate" in values:
        found["ws_per_message_deflate"] = Given("false", values["no_ws_per_message_deflate"].origin)
    warnings = []
    for name, given in values.items():
        foreign = BY_NAME[name]
        if callable(given.value):
            given = Given("", given.origin)
        if foreign.reason and str(given.value).strip().lower() not in foreign.quiet:
            shown = given.origin.where if given.origin.kind == "command line" else f"{name} ({given.origin})"
            warnings.append(f"{shown} has no effect: {foreign.reason}")
    return found, tuple(warnings)


def _bind(values: Mapping[str, Given]) -> Given | None:
    """uvicorn listens at one address; of several ways to say it, the descriptor and the path go first."""
    given = [values[name] for name in _ADDRESS if name in values]
    if not given:
        return None
    origin = Origin(given[0].origin.kind, " ".join(item.origin.where for item in given))
    if "fd" in values:
        return Given(f"fd://{values['fd'].value}", origin)
    if "uds" in values:
        return Given(f"unix:{values['uds'].value}", origin)
    host = str(values["host"].value).strip() if "host" in values else "127.0.0.1"
    port = str(values["port"].value).strip() if "port" in values else "8000"
    return Given(f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}", origin)


def _is_on(value: object) -> bool:
    return str(value).strip().lower() not in ("false", "0", "no", "off", "")
