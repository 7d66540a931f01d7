"""A real nginx in front of a server: on its own, from a temporary folder, on a socket that the test has bound."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path
from string import Template

from tests.integration.server import WAIT_S

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

CONFIG = Template("""
daemon off;
worker_processes 1;
user $user;  # who runs the tests, since the folder is theirs; without root nginx leaves it alone and says so
pid $folder/nginx.pid;
error_log $folder/error.log error;
events { worker_connections 256; }
http {
    access_log off;
    client_max_body_size 100m;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    upstream application { server $upstream; keepalive 8; }
    map $$http_upgrade $$connection_field { default upgrade; "" ""; }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $$http_host;
            proxy_set_header Upgrade $$http_upgrade;
            proxy_set_header Connection $$connection_field;
            proxy_set_header X-Forwarded-For $$proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }
    }
}
""")


class Nginx:
    """Running from here on; `upstream` is "127.0.0.1:8000" or "unix:/path"."""

    def __init__(self, upstream: str, folder: Path) -> None:
        assert NGINX is not None, "the test should have been skipped"
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)  # from now on clients may come: they wait until nginx takes them
            self.port: int = listener.getsockname()[1]
            user = pwd.getpwuid(os.getuid()).pw_name
            config = folder / "nginx.conf"
            config.write_text(CONFIG.substitute(folder=folder, upstream=upstream, port=self.port, user=user))
            self._process = subprocess.Popen(
                [NGINX, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")],
                env={"NGINX": f"{listener.fileno()};"},  # how nginx hands listening sockets to its successor
                pass_fds=(listener.fileno(),),
                stdin=subprocess.DEVNULL,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> str:
        """End it; what it complained about, but for the socket that it was given, and the user if we are not root."""
        self._process.terminate()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        lines = (self.folder / "error.log").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if "inherited sockets" not in line and '"user" directive' not in line)
