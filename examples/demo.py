"""`make demo`: the example FastAPI application and the example Django project side by side, until Ctrl-C.

Nothing is left behind: the Django project's database and files live in a temporary folder.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
DJANGO = EXAMPLES / "django_project"
START_LIMIT_S = 30.0


def main() -> int:
    # TERM ends the demo as Ctrl-C does, through the same clean-up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="hybrid-demo-") as data:
        servers: list[subprocess.Popen[bytes]] = []
        try:
            environ = {**os.environ, "MYSITE_DATA": data}
            prepare_database(environ)
            fastapi_port, django_port = free_port(8000), free_port(8001)
            servers.append(serve(fastapi_port, EXAMPLES / "fastapi_app", "main:app", environ))
            servers.append(serve(django_port, DJANGO, "mysite.wsgi:application", environ, "--workers", "2"))
            for server, port in zip(servers, (fastapi_port, django_port), strict=True):
                wait_until_it_answers(server, port)
            print(
                f"\n  FastAPI   http://127.0.0.1:{fastapi_port}/        (its API at /docs)"
                f"\n  Django    http://127.0.0.1:{django_port}/        (admin/admin at /admin/)"
                "\n\n  Ctrl-C stops both.\n",
                flush=True,
            )
            return wait_for_either(servers)
        except KeyboardInterrupt:
            return 0
        finally:
            stop(servers)


def prepare_database(environ: dict[str, str]) -> None:
    """Make the tables and the user admin/admin in the temporary database."""
    print("Preparing the Django project's database", flush=True)
    manage = [sys.executable, str(DJANGO / "manage.py")]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], env=environ, check=True)
    admin = {"DJANGO_SUPERUSER_USERNAME": "admin", "DJANGO_SUPERUSER_PASSWORD": "admin"}
    subprocess.run(
        [*manage, "createsuperuser", "--noinput", "--email", "admin@example.org", "--verbosity", "0"],
        env={**environ, **admin},
        check=True,
    )


def free_port(wished: int) -> int:
    """The wished port if nothing listens there, else any free one."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("demo: no free TCP port on 127.0.0.1")


def serve(port: int, folder: Path, app: str, environ: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hybrid", "--bind", f"127.0.0.1:{port}", "--chdir", str(folder)]
    # A session of its own: Ctrl-C reaches this script only, which then stops the servers gracefully.
    return subprocess.Popen([*command, *options, app], env=environ, start_new_session=True)


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"demo: the server for port {port} ended with {server.returncode}; its log is above")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise SystemExit(f"demo: port {port} did not answer within {START_LIMIT_S:.0f} seconds")


def wait_for_either(servers: list[subprocess.Popen[bytes]]) -> int:
    """Until a server ends by itself, which is a failure of the demo."""
    pid, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    for server in servers:
        if server.pid == pid:
            server.returncode = code
    print(f"demo: a server ended by itself with {code}", file=sys.stderr)
    return 1


def stop(servers: list[subprocess.Popen[bytes]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave a server behind
    for server in servers:
        if server.poll() is None:
            server.terminate()
    for server in servers:
        try:
            server.wait(35)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
