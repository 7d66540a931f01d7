"""The tables: every option of every server that is understood, what it becomes, and what differs by default."""

from __future__ import annotations

from dataclasses import dataclass, field

from hybrid.translate.rules import OF_GUNICORN, OF_UVICORN, Rule, Rules, none, same, switch

_NO_METRICS = "there is no metrics endpoint; use --statsd-host, or `hybrid status --json`"
_NO_STATIC = "static files are not served; let nginx or a CDN do it, or WhiteNoise in the application"
_NO_HTTP2 = "HTTP/2 is not spoken; put a proxy that does in front"
_RESPAWNED = "workers that die are always replaced, with a growing delay while they go on dying"
_NO_QUIC = "HTTP/3 is not spoken; put a proxy that does in front"


@dataclass(frozen=True, slots=True)
class Table:
    """One server."""

    rules: Rules
    adds: dict[str, str] = field(default_factory=dict)
    """Settings that keep the server's default, where ours is another, unless an option says something."""
    differs: dict[str, str] = field(default_factory=dict)
    """What ours does differently by default and it is not worth keeping, by setting, unless an option sets it."""


_HYPERCORN: Rules = {
    **same(
        "--access-logfile accesslog,--access-log accesslog,--access-logformat access_log_format,--backlog backlog,"
        "-b bind,--bind bind,--ca-certs ca_certs,--certfile certfile,--keyfile keyfile,--ciphers ciphers,"
        "--keyfile-password keyfile_password,--error-logfile errorlog,--error-log errorlog,--log-file errorlog,"
        "--graceful-timeout graceful_timeout,-g group,--group group,--keep-alive keepalive,--log-config logconfig,"
        "--log-level loglevel,--max-requests max_requests,--max-requests-jitter max_requests_jitter,"
        "-p pidfile,--pid pidfile,--root-path root_path,--statsd-host statsd_host,--statsd-prefix statsd_prefix,"
        "-m umask,--umask umask,-u user,--user user,--websocket-ping-interval ws_ping_interval,"
        "-w workers,--workers workers,--read-timeout body_timeout"
    ),
    "-c": none("hypercorn's configuration file is not read; its settings must be given as options or in hybrid.toml"),
    "--config": none("hypercorn's configuration file is not read; its settings must be given in hybrid.toml"),
    "-D": switch("daemon"),
    "--daemon": switch("daemon"),
    "--reload": switch("reload"),
    "--debug": switch("loglevel", "debug"),
    "-k": Rule("loop", convert=lambda name: name if name in ("asyncio", "uvloop") else "auto"),
    "--worker-class": Rule("loop", convert=lambda name: name if name in ("asyncio", "uvloop") else "auto"),
    "--verify-mode": Rule(
        "cert_reqs", convert=lambda mode: {"CERT_OPTIONAL": "1", "CERT_REQUIRED": "2"}.get(mode, "0")
    ),
    "--verify-flags": none("set them in the hook ssl_context"),
    "--insecure-bind": none("one server has TLS on all of its addresses or on none; redirect in the proxy"),
    "--quic-bind": none(_NO_QUIC),
    "--server-name": none("use --allowed-hosts of the framework, or the proxy"),
    "--server-names": none("use --allowed-hosts of the framework, or the proxy"),
}

_GRANIAN: Rules = {
    **same(
        "--uds uds,--workers workers,--backlog backlog,--backpressure worker_connections,"
        "--http1-buffer-size limit_request_head,--log-level loglevel,--ssl-certificate certfile,"
        "--ssl-keyfile keyfile,--ssl-keyfile-password keyfile_password,--ssl-ca ca_certs,"
        "--url-path-prefix root_path,--workers-lifetime max_worker_lifetime,--workers-kill-timeout graceful_timeout,"
        "--working-dir chdir,--env-files env_file,--reload-paths reload_dirs,--reload-ignore-patterns reload_excludes,"
        "--reload-ignore-dirs reload_excludes,--process-name proc_name,--pid-file pidfile,--host host,--port port,"
        "--runtime-blocking-threads sync_threads"
    ),
    "--uds": Rule("bind", convert=lambda path: f"unix:{path}"),
    "--interface": Rule(
        "interface",
        convert=lambda name: {"wsgi": "wsgi", "asgi": "asgi", "asginl": "asgi"}.get(name, "auto"),
        note="`rsgi` is not spoken: give the application's ASGI or WSGI side; `asginl` is --lifespan off",
        quiet=("asgi", "wsgi"),
    ),
    "--http": Rule(note=_NO_HTTP2, quiet=("1", "auto")),
    "--ws": none("WebSockets are always spoken", takes_value=False),
    "--no-ws": none("WebSockets are always spoken; an application refuses those it does not want", takes_value=False),
    "--blocking-threads": Rule("threads", note="for a WSGI application; for an ASGI one use --sync-threads"),
    "--blocking-threads-idle-timeout": none("threads stay"),
    "--runtime-threads": none("I/O is done in the worker's own thread; use more --workers"),
    "--runtime-mode": none("I/O is done in the worker's own thread"),
    "--loop": Rule("loop", convert=lambda name: name if name in ("auto", "asyncio", "uvloop") else "auto"),
    "--task-impl": none("tasks are asyncio's"),
    "--http1-header-read-timeout": Rule("header_timeout", convert=lambda number: f"{number}ms"),
    "--http1-keep-alive": none("connections are kept for --keep-alive seconds", takes_value=False),
    "--no-http1-keep-alive": switch("keepalive", "0"),
    "--http1-pipeline-flush": none("answers to pipelined requests go out as they are ready", takes_value=False),
    "--log": none("the server's log is always on; see --error-logfile", takes_value=False),
    "--no-log": switch("errorlog", "/dev/null"),
    "--log-config": Rule("logconfig_json"),
    "--access-log": switch("accesslog", "-"),
    "--no-access-log": switch("accesslog", ""),
    "--access-log-fmt": none("formats have gunicorn's atoms: translate it to --access-logformat by hand"),
    "--ssl-protocol-min": none("TLS 1.2 is the oldest version; change the context in the hook ssl_context"),
    "--ssl-crl": none("load it in the hook ssl_context"),
    "--ssl-client-verify": switch("cert_reqs", "2"),
    "--no-ssl-client-verify": switch("cert_reqs", "0"),
    "--respawn-failed-workers": none(_RESPAWNED, takes_value=False),
    "--no-respawn-failed-workers": none(_RESPAWNED, takes_value=False),
    "--respawn-interval": none(_RESPAWNED),
    "--workers-max-rss": Rule("max_worker_memory", convert=lambda mebibytes: f"{mebibytes}M"),
    "--rss-sample-interval": none("memory is looked at every few seconds"),
    "--rss-samples": none("memory is looked at every few seconds"),
    "--uds-permissions": none("use --umask, which the socket is made under"),
    "--factory": switch("factory"),
    "--reload": switch("reload"),
    "--reload-ignore-paths": Rule("reload_excludes"),
    "--reload-tick": Rule("reload_delay", convert=lambda number: f"{number}ms"),
    "--reload-ignore-worker-failure": none(
        "with --reload a broken application is always waited for", takes_value=False
    ),
    **{f"--static-path-{name}": none(_NO_STATIC) for name in ("route", "mount", "expires", "dir-to-file")},
    "--metrics": none(_NO_METRICS, takes_value=False),
    **{f"--metrics-{name}": none(_NO_METRICS) for name in ("scrape-interval", "address", "port")},
    **{
        f"--http2-{name}": none(_NO_HTTP2)
        for name in (
            "initial-connection-window-size",
            "initial-stream-window-size",
            "keep-alive-interval",
            "keep-alive-timeout",
            "max-concurrent-streams",
            "max-frame-size",
            "max-headers-size",
            "max-send-buffer-size",
        )
    },
}

_DAPHNE: Rules = {
    **same("-b host,--bind host,-p port,--port port,--access-log accesslog,--root-path root_path"),
    "-u": Rule("bind", convert=lambda path: f"unix:{path}"),
    "--unix-socket": Rule("bind", convert=lambda path: f"unix:{path}"),
    "--fd": Rule("bind", convert=lambda fd: f"fd://{fd}"),
    "-e": none("Twisted's endpoints are not known; give the address with --bind, TLS with --certfile"),
    "--endpoint": none("Twisted's endpoints are not known; give the address with --bind, TLS with --certfile"),
    "-v": Rule("loglevel", convert=lambda level: "debug" if level in ("2", "3") else "info"),
    "--verbosity": Rule("loglevel", convert=lambda level: "debug" if level in ("2", "3") else "info"),
    "-t": none("nothing cuts off a slow answer of an ASGI application; use a timeout in it"),
    "--http-timeout": none("nothing cuts off a slow answer of an ASGI application; use a timeout in it"),
    "--log-fmt": none("use --log-config"),
    "--ping-interval": Rule("ws_ping_interval"),
    "--ping-timeout": Rule("ws_ping_timeout"),
    "--websocket_timeout": none("a WebSocket lives as long as both sides want; see --ws-ping-timeout"),
    "--websocket_connect_timeout": none("a handshake may take as long as the application wants"),
    "--application-close-timeout": Rule("graceful_timeout"),
    "--proxy-headers": switch("proxy_headers", note="believed are only the peers of --forwarded-allow-ips"),
    "--proxy-headers-host": none("the client is read from X-Forwarded-For or Forwarded"),
    "--proxy-headers-port": none("the client is read from X-Forwarded-For or Forwarded"),
    "-s": none("use --no-server-header, or --header 'Server: NAME'"),
    "--server-name": Rule("response_headers", convert=lambda name: f"Server: {name}"),
    "--no-server-name": switch("server_header", "false"),
}

_WAITRESS: Rules = {
    **same(
        "--host host,--port port,--listen bind,--url-prefix root_path,--threads threads,--backlog backlog,"
        "--connection-limit worker_connections,--channel-timeout keepalive,--trusted-proxy forwarded_allow_ips,"
        "--max-request-body-size limit_request_body,--max-request-header-size limit_request_head,--app app"
    ),
    "--unix-socket": Rule("bind", convert=lambda path: f"unix:{path}"),
    "--unix-socket-perms": none("use --umask, which the socket is made under"),
    "--url-scheme": none("the scheme comes from a trusted proxy's headers, see --forwarded-allow-ips, or from TLS"),
    "--ident": Rule("response_headers", convert=lambda name: f"Server: {name}"),
    "--call": switch("factory"),
    "--trusted-proxy-count": none("the addresses of X-Forwarded-For are gone through while they are trusted"),
    "--trusted-proxy-headers": Rule(
        "forwarded_headers",
        convert=lambda names: ",".join(
            name.lower().removeprefix("x-forwarded-").replace("forwarded", "for,proto")
            for name in names.replace(",", " ").split()
        ),
    ),
    "--asyncore-use-poll": none("epoll is used where there is one", takes_value=False),
    "--asyncore-loop-timeout": none("the loop waits as long as it may"),
    "--cleanup-interval": none("deadlines are looked at several times a second"),
    "--expose-tracebacks": none("tracebacks go to the log only", takes_value=False),
    "--no-expose-tracebacks": none("tracebacks go to the log only", takes_value=False),
    "--log-untrusted-proxy-headers": none("a peer that is not trusted is logged once", takes_value=False),
    "--clear-untrusted-proxy-headers": none("untrusted headers never count", takes_value=False),
    "--no-clear-untrusted-proxy-headers": none("untrusted headers never count", takes_value=False),
    "--recv-bytes": none("sockets are read as they fill"),
    "--send-bytes": none("answers are written at once"),
    "--outbuf-overflow": none("answers wait in memory; a slow reader is waited for, never longer than --write-timeout"),
    "--outbuf-high-watermark": none("an answer stops being produced while the client does not take it"),
    "--inbuf-overflow": none("bodies are passed on as they come, see --body-buffer"),
}

TABLES = {
    "gunicorn": Table(
        OF_GUNICORN,
        differs={
            "keepalive": "idle connections are kept for 5 s instead of 2 s",
            "limit_request_line": "request lines may have 8190 bytes instead of 4094",
            "forwarded_headers": "X-Forwarded-For of a trusted peer also sets REMOTE_ADDR; gunicorn leaves it alone"
            " (--forwarded-headers proto)",
        },
    ),
    "uvicorn": Table(
        OF_UVICORN,
        adds={"accesslog": "-"},
        differs={
            "graceful_timeout": "requests under way get 30 s when a worker stops; uvicorn waits without limit",
            "timeout": "a worker that is silent for 30 s is replaced, so code that blocks the event loop shows",
        },
    ),
    "hypercorn": Table(_HYPERCORN, differs={"graceful_timeout": "requests under way get 30 s instead of 3 s"}),
    "granian": Table(_GRANIAN, differs={"interface": "the interface is found by looking at the application"}),
    "daphne": Table(_DAPHNE, differs={"keepalive": "idle connections are kept for 5 s instead of 60 s"}),
    "waitress-serve": Table(
        _WAITRESS,
        adds={"bind": "0.0.0.0:8080", "threads": "4"},
        differs={"keepalive": "idle connections are kept for 5 s instead of 120 s"},
    ),
}
