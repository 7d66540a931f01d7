"""The table of servers. A new peer is one entry.

One worker each, access log off, and whatever else makes the comparison fair is in the command, for
everybody to read. `{python}` and `{bin}` are the peers' environment, `{app}` is "module:attribute" in
the working directory, `{module}` and `{attribute}` its halves.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    interface: str
    """What it is asked to run: "wsgi" or "asgi"."""
    command: str
    """Split at spaces, then formatted, so no value is ever split."""
    package: str = ""
    """What pip installs; "" = the working tree itself."""

    @property
    def is_ours(self) -> bool:
        return not self.package

    def arguments(self, *, python: str, bin: str, port: int, app: str) -> list[str]:
        """The command line of this server for one application."""
        module, _, attribute = app.partition(":")
        values = {
            "python": python,
            "bin": bin,
            "port": str(port),
            "app": app,
            "module": module,
            "attribute": attribute,
        }
        return [part.format(**values) for part in self.command.split()]


_HYBRID = "{python} -m hybrid --bind 127.0.0.1:{port} --workers 1 --log-level warning "
_GUNICORN = "{bin}/gunicorn --bind 127.0.0.1:{port} --workers 1 --log-level warning --keep-alive 60 "
_UVICORN = "{bin}/uvicorn --host 127.0.0.1 --port {port} --no-access-log --log-level warning "
_GRANIAN = "{bin}/granian --host 127.0.0.1 --port {port} --workers 1 --no-access-log --log-level warning "

SERVERS: tuple[Server, ...] = (
    Server("hybrid-sync", "wsgi", _HYBRID + "-k sync {app}"),
    Server("hybrid-gthread", "wsgi", _HYBRID + "-k gthread --threads 4 {app}"),
    Server("hybrid-gevent", "wsgi", _HYBRID + "-k gevent {app}"),
    Server("hybrid-asgi", "asgi", _HYBRID + "-k asgi {app}"),
    Server("gunicorn-sync", "wsgi", _GUNICORN + "-k sync {app}", "gunicorn"),
    Server("gunicorn-gthread", "wsgi", _GUNICORN + "-k gthread --threads 4 {app}", "gunicorn"),
    Server("gunicorn-gevent", "wsgi", _GUNICORN + "-k gevent {app}", "gunicorn[gevent]"),
    Server("gunicorn-asgi", "asgi", _GUNICORN + "-k asgi {app}", "gunicorn"),
    Server("uvicorn-httptools", "asgi", _UVICORN + "--loop uvloop --http httptools {app}", "uvicorn[standard]"),
    Server("uvicorn-h11", "asgi", _UVICORN + "--loop asyncio --http h11 {app}", "uvicorn[standard]"),
    Server("granian-wsgi", "wsgi", _GRANIAN + "--interface wsgi {app}", "granian[uvloop]"),
    Server("granian-asgi", "asgi", _GRANIAN + "--interface asgi --loop uvloop {app}", "granian[uvloop]"),
    Server(
        "hypercorn",
        "asgi",
        "{bin}/hypercorn --bind 127.0.0.1:{port} --workers 1 --worker-class uvloop --log-level warning {app}",
        "hypercorn[uvloop]",
    ),
    Server(
        "uwsgi",
        "wsgi",
        "{bin}/uwsgi --http11-socket 127.0.0.1:{port} --module {module} --callable {attribute} --master "
        "--processes 1 --die-on-term --disable-logging --need-app --virtualenv {bin}/..",
        "uwsgi",
    ),
    Server("fastwsgi", "wsgi", "{bin}/fastwsgi --host 127.0.0.1 --port {port} --loglevel 0 {app}", "fastwsgi"),
    Server(
        "fastpysgi-wsgi",
        "wsgi",
        "{bin}/fastpysgi --host 127.0.0.1 --port {port} --loglevel 0 {app}",
        "fastpysgi",
    ),
    Server(
        "fastpysgi-asgi",
        "asgi",
        "{bin}/fastpysgi --host 127.0.0.1 --port {port} --loglevel 0 {app}",
        "fastpysgi",
    ),
)

BASELINE = {"wsgi": "hybrid-sync", "asgi": "hybrid-asgi"}
"""The server that ratios are given against, by interface."""
