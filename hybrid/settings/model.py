"""The table of settings: one field per setting, which says its type, default, flags, kind, subject and meaning.

Command line, environment, files, `hybrid config` and docs/settings.md all derive from it. Names are
gunicorn's where gunicorn has the setting. To add one, add a field here and run `make docs`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hybrid.settings import kinds
from hybrid.settings.entry import entries, setting
from hybrid.settings.hooks import NO_HOOKS, Hooks

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
        (),
        kinds.PATHS,
        "Application",
        "Folders to import from, separated by commas. Repeatable.",
        flags=("--pythonpath", "--app-dir"),
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
        "The URL path under which a proxy publishes the application (SCRIPT_NAME, ASGI root_path). SCRIPT_NAME in --env"
        " counts too.",
        platform=("SCRIPT_NAME",),
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
        "auto",
        kinds.choice("auto", "on", "off"),
        "Application",
        "ASGI lifespan protocol.",
        flags=("--lifespan", "--asgi-lifespan"),
        also=("asgi_lifespan",),
        own=True,
    )

    env_file: str = setting(
        "",
        kinds.PATH,
        "Application",
        "File of KEY=VALUE lines for the application's environment; variables that are set already stay as they are.",
        own=True,
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
    reuse_port: bool = setting(
        False,
        kinds.FLAG,
        "Listening",
        "Give each worker a TCP socket of its own (SO_REUSEPORT): the kernel spreads connections, busy or not.",
        flags=("--reuse-port/--no-reuse-port",),
    )

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
        kinds.CLASS,
        "Workers",
        "`sync`, `gthread`, `gevent`, `asgi`, a dotted path, or `auto`: asgi for an ASGI application,"
        " gthread for a WSGI one with several threads, else sync.",
        flags=("-k", "--worker-class"),
        common=True,
    )
    threads: int = setting(1, kinds.POSITIVE, "Workers", "Application threads per worker (gthread).", common=True)
    worker_connections: int = setting(1000, kinds.POSITIVE, "Workers", "Connections that one worker holds at most.")
    max_requests: int = setting(
        0,
        kinds.COUNT,
        "Workers",
        "Replace a worker after this many requests; 0: never.",
        flags=("--max-requests", "--limit-max-requests"),
        common=True,
    )
    max_requests_jitter: int = setting(
        0,
        kinds.COUNT,
        "Workers",
        "Add a random number up to this to --max-requests, so that workers are not replaced together.",
        flags=("--max-requests-jitter", "--limit-max-requests-jitter"),
    )
    max_worker_memory: int = setting(
        0,
        kinds.SIZE,
        "Workers",
        "Replace a worker that uses more than this; it serves on until its successor is ready. Its share of memory that"
        " several workers use counts (PSS). 0: never.",
        own=True,
    )
    max_worker_memory_hard: int = setting(
        0, kinds.SIZE, "Workers", "Kill a worker at once that uses more than this; 0: never.", own=True
    )
    max_worker_lifetime: float = setting(
        0.0,
        kinds.DURATION,
        "Workers",
        "Replace a worker that has served for this long, up to a tenth less so that they do not all go together;"
        " 0: never.",
        own=True,
    )
    max_surge: int = setting(
        0,
        kinds.COUNT,
        "Workers",
        "How many workers may be replaced at a time, in a reload or for any other reason; 0: a quarter of them.",
        own=True,
        shown_default="a quarter of --workers",
    )
    ready_probe: str = setting(
        "",
        kinds.TARGET,
        "Workers",
        "Request this path of a worker before it counts as ready, as in `/healthz`; an answer of 400 and above, or none"
        " within --boot-timeout, means that it cannot serve.",
        shown_default="none",
        own=True,
    )
    restart_intensity: int = setting(
        5,
        kinds.POSITIVE,
        "Workers",
        "So many deaths of workers within --restart-period make a pool `degraded`: it is brought back one by one.",
        own=True,
    )
    restart_period: float = setting(60.0, kinds.DURATION, "Workers", "See --restart-intensity.", own=True)
    preload_app: bool = setting(
        False,
        kinds.FLAG,
        "Workers",
        "Import the application once per release, in a template process that workers are forked from: they share its"
        " memory, and a worker that replaces a dead one is ready at once, with the same code.",
        flags=("--preload/--no-preload",),
        common=True,
    )
    preload_request: str = setting(
        "",
        kinds.TARGET,
        "Workers",
        "With --preload, request this path of a WSGI application ten times before workers are forked, as in `/`: they"
        " share what a first request loads and builds. Choose one that changes nothing.",
        shown_default="none",
        own=True,
    )
    sync_threads: int = setting(
        40,
        kinds.POSITIVE,
        "Workers",
        "Threads for the synchronous code of an ASGI application, and for WSGI under asgi.",
        own=True,
    )
    loop: str = setting(
        "auto",
        kinds.choice("auto", "uvloop", "asyncio", also={"zuvloop": "uvloop"}),
        "Workers",
        "Event loop of the asgi worker.",
        flags=("--loop", "--asgi-loop"),
        also=("asgi_loop",),
        own=True,
    )
    http: str = setting(
        "auto",
        kinds.choice("auto", "httptools", "h11", also={"fast": "httptools", "python": "h11", "zttp": "auto"}),
        "Workers",
        "HTTP/1.1 parser.",
        flags=("--http", "--http-parser"),
        also=("http_parser",),
        own=True,
    )
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
    reload_dirs: tuple[str, ...] = setting(
        (),
        kinds.PATHS,
        "Workers",
        "Folders to watch with --reload, instead of those that the application is imported from. Repeatable.",
        flags=("--reload-dir",),
        own=True,
    )
    reload_includes: tuple[str, ...] = setting(
        (),
        kinds.PATHS,
        "Workers",
        "Patterns of further file names to watch with --reload, such as `*.sql`. Repeatable.",
        flags=("--reload-include",),
        own=True,
    )
    reload_excludes: tuple[str, ...] = setting(
        (),
        kinds.PATHS,
        "Workers",
        "Patterns of file names, or folders, not to watch with --reload. Repeatable.",
        flags=("--reload-exclude",),
        own=True,
    )
    reload_delay: float = setting(
        0.4,
        kinds.DURATION,
        "Workers",
        "How long files must be quiet before --reload acts.",
        own=True,
    )
    reload_engine: str = setting(
        "auto",
        kinds.choice("auto", "poll", "inotify"),
        "Workers",
        "How --reload watches: `poll` is for network file systems, which do not tell of changes.",
    )

    # -- Pools ---------------------------------------------------------------------------------
    pools: kinds.Opaque = setting(  # noqa: RUF009 - a field, as the others: ruff knows only plain types
        kinds.NOTHING,
        kinds.written("NAME=APP[,SETTING=VALUE...]", "`NAME=APP,SETTING=VALUE,...`, or tables `[pools.NAME]`"),
        "Pools",
        "A further set of workers, with an application and settings of its own: `class`, `workers`, `threads`, limits,"
        " deadlines, and `fallback`, the pool that serves for it while it cannot. APP is the pool `main`.",
        flags=("--pool",),
        own=True,
    )
    routes: kinds.Opaque = setting(  # noqa: RUF009
        kinds.NOTHING,
        kinds.written("PATTERN=POOL[:N][,POOL:N]", "`PATTERN=POOL[:WEIGHT][,POOL:WEIGHT]`, or tables `[[routes]]`"),
        "Pools",
        "Which pool serves requests of a pattern, `/api/*` or `*`, or several pools by weight. The most specific"
        " pattern counts; what has no route goes to the first pool.",
        flags=("--route",),
        own=True,
    )
    shadow: kinds.Opaque = setting(  # noqa: RUF009
        kinds.NOTHING,
        kinds.written("PATTERN=POOL[:PERCENT]", "`PATTERN=POOL[:PERCENT]`, or tables with path, pool and percent"),
        "Pools",
        "Send a copy of GET and HEAD requests of a pattern to another pool too, and compare the responses.",
        own=True,
    )
    fuse: str = setting(
        "",
        kinds.COMMA_TEXT,
        "Pools",
        "When the pool that gains weight loses it again: `error-rate>2%,p95>1.5x,loop-lag>0.5s`.",
        own=True,
        shown_default="none",
    )
    fuse_window: float = setting(
        30.0,
        kinds.DURATION,
        "Pools",
        "Over how long --fuse looks at what the pools do.",
        own=True,
    )
    shadow_ignore_headers: tuple[str, ...] = setting(
        (),
        kinds.NAMES,
        "Pools",
        "Response fields that may differ in shadow traffic, separated by commas; `cookie:NAME` for one cookie.",
        own=True,
    )
    shadow_ignore_body: tuple[str, ...] = setting(
        (),
        kinds.PATTERNS,
        "Pools",
        "Regular expression of what may differ in the bodies of shadow traffic, such as `build=[0-9]+`. Repeatable.",
        own=True,
    )
    routes_state: str = setting(
        "",
        kinds.PATH,
        "Pools",
        "File that remembers routes changed by `hybrid route`, `promote`, `rollback` and the fuse across restarts.",
        own=True,
        shown_default="none",
    )
    handoff_queue: int = setting(
        64,
        kinds.POSITIVE,
        "Pools",
        "Connections that may wait to be taken by a worker of another pool; beyond that its fallback serves, or 503.",
        own=True,
    )
    handoff_timeout: float = setting(
        5.0, kinds.DURATION, "Pools", "How long such a connection may wait before it is answered 503.", own=True
    )

    # -- Deadlines -----------------------------------------------------------------------------
    timeout: float = setting(
        30.0,
        kinds.DURATION,
        "Deadlines",
        "Longest time from the call of the application to the first byte of its response, and silence of a worker.",
        flags=("-t", "--timeout"),
        common=True,
    )
    loop_lag_warning: float = setting(
        0.2,
        kinds.DURATION,
        "Deadlines",
        "Name in the log what blocks the event loop for longer than this (asgi); 0 for never.",
        own=True,
    )
    boot_timeout: float = setting(
        120.0, kinds.DURATION, "Deadlines", "Longest time from fork until a worker is ready.", own=True
    )
    graceful_timeout: float = setting(
        30.0,
        kinds.DURATION,
        "Deadlines",
        "Time for requests under way when a worker stops.",
        flags=("--graceful-timeout", "--timeout-graceful-shutdown"),
        common=True,
    )
    drain_delay: float = setting(
        0.0,
        kinds.DURATION,
        "Deadlines",
        "How long a stopping server still accepts connections, for load balancers that learn of the stop late;"
        " --graceful-timeout begins after it.",
        own=True,
    )
    drain_streams: float = setting(
        5.0,
        kinds.DURATION,
        "Deadlines",
        "Time for WebSockets and event streams after they were told that the worker stops; at most half of"
        " --graceful-timeout.",
        own=True,
    )
    keepalive: float = setting(
        5.0,
        kinds.DURATION,
        "Deadlines",
        "How long an idle connection is kept open for the next request.",
        flags=("--keep-alive", "--timeout-keep-alive"),
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
        "Bytes per second that a request body must bring, on average over any --body-timeout for which we wait for it.",
        own=True,
    )
    write_timeout: float = setting(
        30.0,
        kinds.DURATION,
        "Deadlines",
        "Longest time that a client may take no byte of an answer.",
        own=True,
    )
    write_min_rate: int = setting(
        240,
        kinds.SIZE,
        "Deadlines",
        "Bytes per second that a client must take of an answer, on average over any --write-timeout for which it makes"
        " us wait.",
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
    queue_timeout: float = setting(
        0.0,
        kinds.DURATION,
        "Limits",
        "Answer 503 to a request that has waited longer than this for the application, in the kernel or in the worker,"
        " or since the X-Request-Start of a trusted proxy; 0 for never.",
        own=True,
    )
    health_path: tuple[str, ...] = setting(
        (),
        kinds.TARGETS,
        "Limits",
        "The application's own health check, as in `/healthz`: never answered 503 for --limit-concurrency or"
        " --queue-timeout. Repeatable.",
        own=True,
    )
    ready_path: str = setting(
        "",
        kinds.TARGET,
        "Limits",
        "Answer this path without the application: 200 while the server wants requests, 503 when it stops or is at"
        " --limit-concurrency.",
        own=True,
        shown_default="none",
    )
    body_buffer: int = setting(
        16384,
        kinds.SIZE,
        "Limits",
        "Bytes of a body that are read before it is spooled or, where it is not, before the application is called.",
        own=True,
    )
    spool_bodies: str = setting(
        "auto",
        kinds.choice("auto", "on", "off"),
        "Limits",
        "Call a WSGI application when the body is whole, which waits in memory (--spool-memory) or in a file without a"
        " name. So a client that is slow to send holds up nobody. `auto`: with gevent, where it holds up nobody anyway,"
        " only the first MiB; and not where the client waits for 100 Continue, which then the application's reading"
        " sends. `off`: the application reads the body as it comes.",
        own=True,
    )
    spool_memory: int = setting(
        16 << 20,
        kinds.SIZE,
        "Limits",
        "Bytes of memory that the spooled bodies of one worker may take, and each of them a sixteenth; beyond, they go"
        " into files. 0: none.",
        own=True,
        shown_default="16 MiB",
    )
    spool_limit: int = setting(
        1 << 30,
        kinds.SIZE,
        "Limits",
        "Bytes on disk that the spooled bodies of one worker may take, together with what slow clients have not taken"
        " of write(); a body beyond is read as it comes.",
        own=True,
        shown_default="1 GiB",
    )
    tmp_upload_dir: str = setting(
        "",
        kinds.PATH,
        "Limits",
        "Folder of the spooled bodies.",
        shown_default="that of TMPDIR, else /tmp",
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
        "",
        kinds.COMMA_TEXT,
        "Proxies",
        "What those peers are believed about: some of `for`, `proto`, `host`, `port`, `prefix` (X-Forwarded-*, and the"
        " same in Forwarded). Name only what your proxy always sets itself: the rest it passes on from the client.",
        own=True,
        shown_default="`for,proto`, and the log of a WSGI worker says once where `for` has counted",
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
        "127.0.0.1,::1,unix",
        kinds.COMMA_TEXT,
        "Proxies",
        "Peers that may send a PROXY header, as in --forwarded-allow-ips.",
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
    response_headers: tuple[str, ...] = setting(
        (),
        kinds.HEADERS,
        "Proxies",
        "A header field for every response, as `Name: value`. Repeatable.",
        flags=("--header",),
        own=True,
    )

    # -- TLS -----------------------------------------------------------------------------------
    certfile: str = setting(
        "",
        kinds.PATH,
        "TLS",
        "Certificate file; switches TLS on.",
        flags=("--certfile", "--ssl-certfile"),
        common=True,
    )
    keyfile: str = setting(
        "",
        kinds.PATH,
        "TLS",
        "Key file, if it is not in the certificate file.",
        flags=("--keyfile", "--ssl-keyfile"),
        common=True,
    )
    keyfile_password: str = setting(
        "",
        kinds.TEXT,
        "TLS",
        "Password of the key file.",
        flags=("--keyfile-password", "--ssl-keyfile-password"),
        own=True,
    )
    ca_certs: str = setting(
        "",
        kinds.PATH,
        "TLS",
        "Authorities that client certificates are checked against.",
        flags=("--ca-certs", "--ssl-ca-certs"),
    )
    cert_reqs: int = setting(
        0,
        kinds.number_choice(0, 1, 2),
        "TLS",
        "Client certificates: 0 none, 1 optional, 2 required.",
        flags=("--cert-reqs", "--ssl-cert-reqs"),
    )
    ciphers: str = setting(
        "", kinds.TEXT, "TLS", "Ciphers, in OpenSSL's notation.", flags=("--ciphers", "--ssl-ciphers")
    )
    tls_min_version: str = setting(
        "1.2", kinds.choice("1.2", "1.3"), "TLS", "Oldest TLS version that clients may use.", own=True
    )

    # -- WebSocket -----------------------------------------------------------------------------
    ws_max_size: int = setting(
        16 * 1024 * 1024,
        kinds.SIZE,
        "WebSocket",
        "Longest message that is accepted.",
        flags=("--ws-max-size", "--websocket-max-message-size"),
        also=("websocket_max_message_size",),
        own=True,
    )
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
        kinds.SWITCH,
        "WebSocket",
        "Offer compression.",
        bare="true",
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
            also={"warn": "warning", "fatal": "critical", "trace": "debug"},
        ),
        "Logging",
        "Least severe messages to log.",
        flags=("--log-level",),
        common=True,
    )
    capture_output: bool = setting(
        False,
        kinds.FLAG,
        "Logging",
        "Send what the application prints to the error log.",
        flags=("--capture-output/--no-capture-output",),
    )
    use_colors: str = setting(
        "auto",
        kinds.choice("auto", "on", "off", also={True: "on", False: "off", "true": "on", "false": "off"}),
        "Logging",
        "Colour the level in log lines; auto: on a terminal.",
        flags=("--use-colors/--no-use-colors",),
        own=True,
    )
    logger_class: str = setting(
        "",
        kinds.CLASS,
        "Logging",
        "A class of your own to log with, `package.module.Class`: a subclass of hybrid.logs.Logger, or of gunicorn's.",
        shown_default="none",
    )
    logconfig: str = setting(
        "",
        kinds.PATH,
        "Logging",
        "Configuration of Python's logging: .ini, .json, .yaml or .toml.",
        flags=("--log-config",),
    )
    logconfig_json: str = setting("", kinds.PATH, "Logging", "The same, always JSON.", flags=("--log-config-json",))
    logconfig_dict: kinds.Opaque = setting(  # noqa: RUF009 - a field, as the others: ruff knows only plain types
        kinds.NOTHING,
        kinds.MAPPING,
        "Logging",
        "The same as a dictionary (logging.config.dictConfig), in settings files; comes before the other two.",
        flags=(),
        shown_default="none",
    )
    syslog: bool = setting(
        False, kinds.FLAG, "Logging", "Log to syslog as well.", flags=("--log-syslog/--no-log-syslog",)
    )
    syslog_addr: str = setting(
        "udp://localhost:514",
        kinds.TEXT,
        "Logging",
        "Where syslog is: `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix://PATH`, `unix://PATH#stream`.",
        flags=("--log-syslog-to",),
    )
    syslog_prefix: str = setting(
        "", kinds.TEXT, "Logging", "Program name in syslog: `hybrid.PREFIX`.", flags=("--log-syslog-prefix",)
    )
    syslog_facility: str = setting(
        "user", kinds.TEXT, "Logging", "Facility in syslog.", flags=("--log-syslog-facility",)
    )
    disable_redirect_access_to_syslog: bool = setting(
        False,
        kinds.FLAG,
        "Logging",
        "Keep the access log out of syslog.",
        flags=("--disable-redirect-access-to-syslog/--redirect-access-to-syslog",),
    )
    statsd_host: str = setting("", kinds.TEXT, "Logging", "StatsD server for metrics: `HOST:PORT` or `unix://PATH`.")
    statsd_prefix: str = setting("", kinds.TEXT, "Logging", "Put in front of the names of metrics.")
    dogstatsd_tags: str = setting(
        "", kinds.COMMA_TEXT, "Logging", "Tags for metrics, in DogStatsD's form: `key:value,key:value`."
    )
    enable_backlog_metric: bool = setting(
        False,
        kinds.FLAG,
        "Logging",
        "Send how many connections wait for accept, once a second, as the metric `gunicorn.backlog` (TCP on Linux; not"
        " with --reuse-port, where the waiting is in sockets of the workers).",
        flags=("--enable-backlog-metric/--no-backlog-metric",),
    )

    # -- Process -------------------------------------------------------------------------------
    pidfile: str = setting(
        "", kinds.PATH, "Process", "File for the arbiter's process id.", flags=("-p", "--pid"), common=True
    )
    control_socket: str = setting(
        "",
        kinds.PATH,
        "Process",
        "Unix socket for `hybrid status`, `reload` and the like; `off`: none.",
        shown_default="in no folder: an abstract one named after the process id",
    )
    user: str = setting("", kinds.TEXT, "Process", "User of the workers.", flags=("-u", "--user"))
    group: str = setting("", kinds.TEXT, "Process", "Group of the workers.", flags=("-g", "--group"))
    initgroups: bool = setting(
        False,
        kinds.FLAG,
        "Process",
        "Give the workers all groups of their user. They always get them, where the arbiter is root.",
        flags=("--initgroups/--no-initgroups",),
    )
    umask: int = setting(0, kinds.MODE, "Process", "File mode mask, also for a unix socket.", flags=("-m", "--umask"))
    proc_name: str = setting(
        "",
        kinds.TEXT,
        "Process",
        "Base of the process titles (needs `pip install 'hybrid-arbiter[title]'`).",
        flags=("-n", "--name"),
    )
    daemon: bool = setting(False, kinds.FLAG, "Process", "Run in the background.", flags=("-D", "--daemon/--no-daemon"))
    enable_stdio_inheritance: bool = setting(
        False,
        kinds.FLAG,
        "Process",
        "Keep stdout and stderr when running in the background.",
        flags=("-R", "--enable-stdio-inheritance/--no-stdio-inheritance"),
    )
    sendfile: bool = setting(
        True,
        kinds.FLAG,
        "Process",
        "Send files with sendfile().",
        flags=("--sendfile/--no-sendfile",),
        platform=("SENDFILE",),
    )

    # -- No settings: objects that travel with them ---------------------------------------------
    hooks: Hooks = dataclasses.field(default=NO_HOOKS, repr=False)
    """The server hooks that a Python settings file defines."""
    app_object: object | None = dataclasses.field(default=None, repr=False)
    """The application itself, where it was given as an object and `app` only names it."""


TABLE = entries(Settings)
"""The settings as a table, in the order above."""
