"""SEAM: the attribute names and types that the whole tree uses. The settings owner turns each line into a
full table entry (flags, environment, kind, group, help), keeping the names and types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    # application
    app: str = ""
    factory: bool = False
    interface: str = "auto"  # auto asgi asgi2 wsgi
    chdir: str = ""
    pythonpath: tuple[str, ...] = ()
    raw_env: tuple[str, ...] = ()
    root_path: str = ""
    lifespan: str = "auto"  # auto on off
    # where to listen
    bind: tuple[str, ...] = ()  # () = 127.0.0.1:8000, or 0.0.0.0:$PORT
    backlog: int = 2048
    # workers
    workers: int = 1
    worker_class: str = "auto"
    threads: int = 1
    worker_connections: int = 1000
    max_requests: int = 0
    max_requests_jitter: int = 0
    loop: str = "auto"  # auto uvloop asyncio
    http: str = "auto"  # auto httptools h11
    reload: bool = False
    reload_extra_files: tuple[str, ...] = ()
    # deadlines, seconds; 0 = off
    timeout: float = 30.0
    boot_timeout: float = 120.0
    graceful_timeout: float = 30.0
    keepalive: float = 5.0
    first_byte_timeout: float = 30.0  # from accept to the first byte
    header_timeout: float = 15.0  # from the first byte of a head to its end
    body_timeout: float = 30.0  # longest silence inside a body
    body_min_rate: int = 240  # bytes per second, averaged from the body's start after a grace of body_timeout
    write_timeout: float = 30.0  # no byte taken by the client for this long
    tls_handshake_timeout: float = 10.0
    # limits; 0 = none
    limit_request_line: int = 8190
    limit_request_fields: int = 100
    limit_request_field_size: int = 8190
    limit_request_head: int = 65536
    limit_request_body: int = 0
    limit_pipelined: int = 64
    body_buffer: int = 65536
    limit_concurrency: int = 0
    # proxies
    forwarded_allow_ips: str = "127.0.0.1,::1"
    proxy_headers: bool = True
    proxy_protocol: str = "off"
    proxy_allow_ips: str = "127.0.0.1,::1"
    header_map: str = "drop"  # drop refuse dangerous
    forwarder_headers: str = "SCRIPT_NAME,PATH_INFO"
    root_path_mode: str = "verbatim"  # stripped verbatim
    server_header: bool = True
    date_header: bool = True
    # TLS
    certfile: str = ""
    keyfile: str = ""
    keyfile_password: str = ""
    ca_certs: str = ""
    cert_reqs: int = 0
    ciphers: str = ""
    # WebSocket
    ws_max_size: int = 16 * 1024 * 1024
    ws_max_queue: int = 32
    ws_ping_interval: float = 20.0
    ws_ping_timeout: float = 20.0
    ws_per_message_deflate: bool = True
    # logging
    accesslog: str = ""  # "" = off, "-" = stdout
    access_log_format: str = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
    errorlog: str = "-"  # "-" = stderr
    loglevel: str = "info"
    # process
    pidfile: str = ""
    user: str = ""
    group: str = ""
    umask: int = 0
    proc_name: str = ""
    sendfile: bool = True
    sync_threads: int = 40  # threads for sync code of an ASGI app and for the WSGI bridge
