"""The table of settings: one field per setting, which says its type, default, flags, kind, subject and meaning.

Command line, environment, files, `hybrid config` and docs/settings.md all derive from it. Names are
gunicorn's where gunicorn has the setting. To add one, add a field here and run `make docs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hybrid.settings import kinds
from hybrid.settings.entry import entries, setting

DEFAULT_ACCESS_LOG_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its final value. Durations are seconds, sizes bytes; 0 switches a deadline or a limit off."""

    # -- Application ---------------------------------------------------------------------------
    app: str = setting(
        "",
        kinds.TEXT,
        "Application",
        "The application, as `package.module:attribute`. Without an attribute: `application`, then `app`."
        ' A call with literal arguments is a factory: `module:create_app("x", debug=True)`.',
        flags=(),
        also=("wsgi_app",),
        own=True,
    )
    config: str = setting(
        "",
        kinds.PATH,
        "Application",
        "Settings file: TOML, Python, or `python:MODULE`. Without it the first that exists of hybrid.toml,"
        " gunicorn.conf.py and the `[tool.hybrid]` table of pyproject.toml.",
        flags=("-c", "--config"),
        common=True,
        own=True,
    )
    factory: bool = setting(
        False,
        kinds.FLAG,
        "Application",
        "The attribute is a function without arguments that returns the application.",
        flags=("--factory/--no-factory",),
        common=True,
        own=True,
    )
    interface: str = setting(
        "auto",
        kinds.choice("auto", "asgi", "asgi2", "wsgi", also={"asgi3": "asgi"}),
        "Application",
        "What the application speaks, where looking at it is not enough.",
        own=True,
    )
    chdir: str = setting(
        "",
        kinds.PATH,
        "Application",
        "Change to this folder first, and import from it.",
        common=True,
        shown_default="the current folder",
    )
    pythonpath: tuple[str, ...] = setting(
        (), kinds.PATHS, "Application", "Folders to import from, separated by commas. Repeatable."
    )
    raw_env: tuple[str, ...] = setting(
        (),
        kinds.PAIRS,
        "Application",
        "Environment variable for the application. Repeatable.",
        flags=("-e", "--env"),
        common=True,
    )
    root_path: str = setting(
        "",
        kinds.URL_PATH,
        "Application",
        "The URL path under which a proxy publishes the application (SCRIPT_NAME, ASGI root_path).",
        common=True,
    )
    root_path_mode: str = setting(
        "verbatim",
        kinds.choice("verbatim", "stripped"),
        "Application",
        "Whether the proxy passes the path with the root path in front (`verbatim`) or has `stripped` it.",
        own=True,
    )
    lifespan: str = setting(
        "auto", kinds.choice("auto", "on", "off"), "Application", "ASGI lifespan protocol.", own=True
    )

    # -- Listening -----------------------------------------------------------------------------
    bind: tuple[str, ...] = setting(
        (),
        kinds.ADDRESSES,
        "Listening",
        "Where to listen: `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH` or `fd://N`. Repeatable.",
        flags=("-b", "--bind"),
        platform=("PORT",),
        common=True,
        shown_default="127.0.0.1:8000, or 0.0.0.0:$PORT where PORT is set",
    )
    backlog: int = setting(2048, kinds.POSITIVE, "Listening", "Connections that may wait for accept, per listener.")

    # -- Workers -------------------------------------------------------------------------------
    workers: int = setting(
        1,
        kinds.WORKERS,
        "Workers",
        "Worker processes. `auto`: the CPUs that this process may really use, by affinity and cgroup quota.",
        flags=("-w", "--workers"),
        platform=("WEB_CONCURRENCY",),
        common=True,
    )
    worker_class: str = setting(
        "auto",
        kinds.TEXT,
        "Workers",
        "`sync`, `gthread`, `gevent`, `asgi`, a dotted path, or `auto`: asgi for an ASGI application,"
        " gthread for a WSGI one with several threads, else sync.",
        flags=("-k", "--worker-class"),
        common=True,
    )
    threads: int = setting(1, kinds.POSITIVE, "Workers", "Application threads per worker (gthread).", common=True)
    worker_connections: int = setting(1000, kinds.POSITIVE, "Workers", "Connections that one worker holds at most.")
    max_requests: int = setting(
        0, kinds.COUNT, "Workers", "Replace a worker after this many requests; 0: never.", common=True
    )
    max_requests_jitter: int = setting(
        0,
        kinds.COUNT,
        "Workers",
        "Add a random number up to this to --max-requests, so that workers are not replaced together.",
    )
    sync_threads: int = setting(
        40,
        kinds.POSITIVE,
        "Workers",
        "Threads for the synchronous code of an ASGI application, and for WSGI under asgi.",
        own=True,
    )
    loop: str = setting(
        "auto", kinds.choice("auto", "uvloop", "asyncio"), "Workers", "Event loop of the asgi worker.", own=True
    )
    http: str = setting("auto", kinds.choice("auto", "httptools", "h11"), "Workers", "HTTP/1.1 parser.", own=True)
    reload: bool = setting(
        False,
        kinds.FLAG,
        "Workers",
        "Load the application anew when a source file changes; for development.",
        flags=("--reload/--no-reload",),
        common=True,
    )
    reload_extra_files: tuple[str, ...] = setting(
        (), kinds.PATHS, "Workers", "More files to watch with --reload. Repeatable.", flags=("--reload-extra-file",)
    )

    # -- Deadlines -----------------------------------------------------------------------------
    timeout: float = setting(
        30.0,
        kinds.DURATION,
        "Deadlines",
        "Replace a worker that gave no sign of life for this long.",
        flags=("-t", "--timeout"),
        common=True,
    )
    boot_timeout: float = setting(
        120.0, kinds.DURATION, "Deadlines", "Longest time from fork until a worker is ready.", own=True
    )
    graceful_timeout: float = setting(
        30.0, kinds.DURATION, "Deadlines", "Time for requests under way when a worker stops.", common=True
    )
    keepalive: float = setting(
        5.0,
        kinds.DURATION,
        "Deadlines",
        "How long an idle connection is kept open for the next request.",
        flags=("--keep-alive",),
        common=True,
    )
    first_byte_timeout: float = setting(30.0, kinds.DURATION, "Deadlines", "From accept to the first byte.", own=True)
    header_timeout: float = setting(
        15.0,
        kinds.DURATION,
        "Deadlines",
        "From the first byte of a request head to its end.",
        own=True,
    )
    body_timeout: float = setting(30.0, kinds.DURATION, "Deadlines", "Longest silence inside a request body.", own=True)
    body_min_rate: int = setting(
        240,
        kinds.SIZE,
        "Deadlines",
        "Bytes per second that a request body must bring on average, counted after a grace of --body-timeout.",
        own=True,
    )
    write_timeout: float = setting(
        30.0,
        kinds.DURATION,
        "Deadlines",
        "Longest time that a client may take no byte of an answer.",
        own=True,
    )
    tls_handshake_timeout: float = setting(10.0, kinds.DURATION, "Deadlines", "Longest TLS handshake.", own=True)

    # -- Limits --------------------------------------------------------------------------------
    limit_request_line: int = setting(8190, kinds.SIZE, "Limits", "Longest request line.")
    limit_request_fields: int = setting(100, kinds.COUNT, "Limits", "Most header fields of a request.")
    limit_request_field_size: int = setting(
        8190,
        kinds.SIZE,
        "Limits",
        "Longest header field.",
        flags=("--limit-request-field-size", "--limit-request-field_size"),
    )
    limit_request_head: int = setting(
        65536, kinds.SIZE, "Limits", "Longest request head, all fields together.", own=True
    )
    limit_request_body: int = setting(0, kinds.SIZE, "Limits", "Longest request body.", own=True)
    limit_pipelined: int = setting(
        64,
        kinds.COUNT,
        "Limits",
        "Requests that a client may send ahead on one connection.",
        own=True,
    )
    limit_concurrency: int = setting(
        0,
        kinds.COUNT,
        "Limits",
        "Requests in one worker at a time; more are answered 503.",
        own=True,
    )
    body_buffer: int = setting(
        65536,
        kinds.SIZE,
        "Limits",
        "Bytes of a body that are read before the application is called.",
        own=True,
    )

    # -- Proxies -------------------------------------------------------------------------------
    forwarded_allow_ips: str = setting(
        "127.0.0.1,::1,unix",
        kinds.COMMA_TEXT,
        "Proxies",
        "Peers whose forwarded headers are believed: addresses, networks, `private`, `unix` (unix sockets), `*`.",
        platform=("FORWARDED_ALLOW_IPS",),
        common=True,
    )
    proxy_headers: bool = setting(
        True,
        kinds.FLAG,
        "Proxies",
        "Use the forwarded headers of those peers.",
        flags=("--proxy-headers/--no-proxy-headers",),
        own=True,
    )
    forwarded_headers: str = setting(
        "for,proto",
        kinds.COMMA_TEXT,
        "Proxies",
        "What those peers are believed about: some of `for`, `proto`, `host`, `port`, `prefix` (X-Forwarded-*, and the"
        " same in Forwarded). Name only what your proxy always sets itself: the rest it passes on from the client.",
        own=True,
    )
    secure_scheme_headers: tuple[str, ...] = setting(
        ("X-FORWARDED-PROTOCOL=ssl", "X-FORWARDED-PROTO=https", "X-FORWARDED-SSL=on"),
        kinds.PAIRS,
        "Proxies",
        "Headers, with the value that means https, by which those peers say the scheme. Contradictory ones are"
        " answered 400.",
    )
    proxy_protocol: str = setting(
        "off",
        kinds.choice("off", "v1", "v2", "auto", also={True: "auto", False: "off"}),
        "Proxies",
        "PROXY protocol on accepted connections; the flag without a value means auto.",
        bare="auto",
    )
    proxy_allow_ips: str = setting(
        "127.0.0.1,::1",
        kinds.COMMA_TEXT,
        "Proxies",
        "Peers that may send a PROXY header.",
        flags=("--proxy-allow-from",),
    )
    header_map: str = setting(
        "drop",
        kinds.choice("drop", "refuse", "dangerous"),
        "Proxies",
        "What to do with header names that contain an underscore.",
    )
    forwarder_headers: str = setting(
        "SCRIPT_NAME,PATH_INFO",
        kinds.COMMA_TEXT,
        "Proxies",
        "Header names with an underscore that a trusted peer may send.",
    )
    server_header: bool = setting(
        True,
        kinds.FLAG,
        "Proxies",
        "Send a Server header.",
        flags=("--server-header/--no-server-header",),
        own=True,
    )
    date_header: bool = setting(
        True,
        kinds.FLAG,
        "Proxies",
        "Send a Date header.",
        flags=("--date-header/--no-date-header",),
        own=True,
    )

    # -- TLS -----------------------------------------------------------------------------------
    certfile: str = setting("", kinds.PATH, "TLS", "Certificate file; switches TLS on.", common=True)
    keyfile: str = setting("", kinds.PATH, "TLS", "Key file, if it is not in the certificate file.", common=True)
    keyfile_password: str = setting("", kinds.TEXT, "TLS", "Password of the key file.", own=True)
    ca_certs: str = setting("", kinds.PATH, "TLS", "Authorities that client certificates are checked against.")
    cert_reqs: int = setting(
        0, kinds.number_choice(0, 1, 2), "TLS", "Client certificates: 0 none, 1 optional, 2 required."
    )
    ciphers: str = setting("", kinds.TEXT, "TLS", "Ciphers, in OpenSSL's notation.")

    # -- WebSocket -----------------------------------------------------------------------------
    ws_max_size: int = setting(16 * 1024 * 1024, kinds.SIZE, "WebSocket", "Longest message that is accepted.", own=True)
    ws_max_queue: int = setting(32, kinds.POSITIVE, "WebSocket", "Messages read ahead of the application.", own=True)
    ws_ping_interval: float = setting(20.0, kinds.DURATION, "WebSocket", "Time between pings; 0: none.", own=True)
    ws_ping_timeout: float = setting(
        20.0,
        kinds.DURATION,
        "WebSocket",
        "Close when a ping is not answered for this long; 0: never.",
        own=True,
    )
    ws_per_message_deflate: bool = setting(
        True,
        kinds.FLAG,
        "WebSocket",
        "Offer compression.",
        flags=("--ws-per-message-deflate/--no-ws-per-message-deflate",),
        own=True,
    )

    # -- Logging -------------------------------------------------------------------------------
    accesslog: str = setting(
        "",
        kinds.PATH,
        "Logging",
        "Access log file; `-` for stdout.",
        flags=("--access-logfile",),
        common=True,
        shown_default="none",
    )
    access_log_format: str = setting(
        DEFAULT_ACCESS_LOG_FORMAT,
        kinds.TEXT,
        "Logging",
        "Access log line, with gunicorn's atoms.",
        flags=("--access-logformat", "--access-log-format"),
    )
    errorlog: str = setting(
        "-", kinds.PATH, "Logging", "Log file; `-` for stderr.", flags=("--error-logfile", "--log-file"), common=True
    )
    loglevel: str = setting(
        "info",
        kinds.choice(
            "debug",
            "info",
            "warning",
            "error",
            "critical",
            metavar="LEVEL",
            also={"warn": "warning", "fatal": "critical"},
        ),
        "Logging",
        "Least severe messages to log.",
        flags=("--log-level",),
        common=True,
    )

    # -- Process -------------------------------------------------------------------------------
    pidfile: str = setting(
        "", kinds.PATH, "Process", "File for the arbiter's process id.", flags=("-p", "--pid"), common=True
    )
    user: str = setting("", kinds.TEXT, "Process", "User of the workers.", flags=("-u", "--user"))
    group: str = setting("", kinds.TEXT, "Process", "Group of the workers.", flags=("-g", "--group"))
    umask: int = setting(0, kinds.MODE, "Process", "File mode mask, also for a unix socket.", flags=("-m", "--umask"))
    proc_name: str = setting(
        "", kinds.TEXT, "Process", "Base of the process titles (needs setproctitle).", flags=("-n", "--name")
    )
    sendfile: bool = setting(
        True, kinds.FLAG, "Process", "Send files with sendfile().", flags=("--sendfile/--no-sendfile",)
    )


TABLE = entries(Settings)
"""The settings as a table, in the order above."""
