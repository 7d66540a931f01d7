"""The floor of a server in C: nginx, one worker, a constant. Ends with 1 where nginx is not installed."""

import os
import shutil
import sys
import tempfile

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "Hello, World!"; }} }}
}}
"""
nginx = shutil.which("nginx")
if nginx is None:
    sys.exit("nginx is not installed")
folder = tempfile.mkdtemp(prefix="floor-nginx-")
path = os.path.join(folder, "nginx.conf")
with open(path, "w") as file:
    file.write(CONFIGURATION.format(folder=folder, port=sys.argv[1]))
os.execv(nginx, [nginx, "-c", path])
