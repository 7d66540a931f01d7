"""Every option of uvicorn: accepted on the command line and as a UVICORN_ variable, and what becomes of it."""

from __future__ import annotations

import pytest

from hybrid.cli.options import parse_command_line
from hybrid.settings import resolve
from hybrid.settings.foreign import BY_NAME as FOREIGN

OPTIONS = {
    "--host 0.0.0.0": {"bind": ("0.0.0.0:8000",)},
    "--port 80": {"bind": ("127.0.0.1:80",)},
    "--uds /run/a.sock": {"bind": ("unix:/run/a.sock",)},
    "--fd 3": {"bind": ("fd://3",)},
    "--reload": {"reload": True},
    "--reload-dir src": {"reload_dirs": ("src",)},
    "--reload-include *.sql": {"reload_includes": ("*.sql",)},
    "--reload-exclude *.txt": {"reload_excludes": ("*.txt",)},
    "--reload-delay 0.5": {"reload_delay": 0.5},
    "--workers 4": {"workers": 4},
    "--loop asyncio": {"loop": "asyncio"},
    "--loop zuvloop": {"loop": "uvloop"},
    "--http h11": {"http": "h11"},
    "--http zttp": {"http": "auto"},
    "--http2": "http2",
    "--ws wsproto": "ws",
    "--ws-max-size 1000": {"ws_max_size": 1000},
    "--ws-max-queue 3": {"ws_max_queue": 3},
    "--ws-ping-interval 5.5": {"ws_ping_interval": 5.5},
    "--ws-ping-timeout 6": {"ws_ping_timeout": 6.0},
    "--ws-per-message-deflate false": {"ws_per_message_deflate": False},
    "--lifespan on": {"lifespan": "on"},
    "--interface asgi3": {"interface": "asgi"},
    "--log-config log.json": {"logconfig": "log.json"},
    "--log-level trace": {"loglevel": "debug"},
    "--access-log": {"accesslog": "-"},
    "--no-access-log": {"accesslog": ""},
    "--use-colors": {"use_colors": "on"},
    "--no-use-colors": {"use_colors": "off"},
    "--no-proxy-headers": {"proxy_headers": False},
    "--no-server-header": {"server_header": False},
    "--no-date-header": {"date_header": False},
    "--forwarded-allow-ips *": {"forwarded_allow_ips": "*"},
    "--root-path /api": {"root_path": "/api"},
    "--limit-concurrency 9": {"limit_concurrency": 9},
    "--backlog 9": {"backlog": 9},
    "--limit-max-requests 9": {"max_requests": 9},
    "--limit-max-requests-jitter 9": {"max_requests_jitter": 9},
    "--timeout-keep-alive 9": {"keepalive": 9.0},
    "--timeout-graceful-shutdown 9": {"graceful_timeout": 9.0},
    "--timeout-worker-healthcheck 9": "timeout_worker_healthcheck",
    "--ssl-certfile c.pem": {"certfile": "c.pem"},
    "--ssl-version 5": "ssl_version",
    "--ssl-cert-reqs 0": {"cert_reqs": 0},
    "--ssl-ciphers ALL": {"ciphers": "ALL"},
    "--header X-A:b": {"response_headers": ("X-A: b",)},
    "--app-dir src": {"pythonpath": ("src",)},
    "--h11-max-incomplete-event-size 9": "h11_max_incomplete_event_size",
    "--reset-contextvars": "reset_contextvars",
    "--factory": {"factory": True},
}
TLS = {
    "--ssl-keyfile k.pem": "keyfile",
    "--ssl-keyfile-password p": "keyfile_password",
    "--ssl-ca-certs a.pem": "ca_certs",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_accepted(option: str) -> None:
    resolved = resolve(parse_command_line(option.split()), {}, "/nonexistent")
    becomes = OPTIONS[option]
    if isinstance(becomes, str):
        assert FOREIGN[becomes].reason in resolved.warnings[0]
    else:
        assert {name: getattr(resolved.settings, name) for name in becomes} == becomes


@pytest.mark.parametrize("option", [option for option in OPTIONS if " " in option])
def test_its_variable_says_the_same(option: str) -> None:
    flag, value = option.split()
    variable = "UVICORN_" + flag.removeprefix("--").replace("-", "_").upper()
    resolved = resolve({}, {variable: value}, "/nonexistent")
    becomes = OPTIONS[option]
    if isinstance(becomes, str):
        assert FOREIGN[becomes].reason in resolved.warnings[0]
    else:
        assert {name: getattr(resolved.settings, name) for name in becomes} == becomes


@pytest.mark.parametrize("option", TLS)
def test_tls_options_go_with_a_certificate(option: str) -> None:
    resolved = resolve(parse_command_line(["--ssl-certfile", "c.pem", *option.split()]), {}, "/nonexistent")
    assert getattr(resolved.settings, TLS[option]) == option.split()[1]


def test_env_file_gives_variables_that_are_not_set(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("env")
    (folder / ".env").write_text("A=file\nB=file\nC=file\n")
    resolved = resolve(parse_command_line(["--env-file", ".env", "-e", "C=typed"]), {"B": "shell"}, str(folder))
    assert resolved.settings.raw_env == ("A=file", "C=file", "C=typed")
