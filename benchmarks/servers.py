"""The table of servers. A new peer is one entry.

One worker each, access log off, and whatever else makes the comparison fair is in the command, for
everybody to read. `{python}` and `{bin}` are the peers' environment, `{app}` is "module:attribute" in
the working directory, `{module}` and `{attribute}` its halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    interface: str
    """What it is asked to run: "wsgi" or "asgi"."""
    command: str
    """Split at spaces, then formatted, so no value is ever split."""
    package: str = ""
    """What pip installs; "" = the working tree itself."""
    undeclared: str = ""
    """A package that it imports and does not ask pip for."""
    log_on: str = ""
    """Added to the command: a line for each request on standard output or error. "" = not measured with a log."""
    log_off: str = ""
    """What of the command must go for that."""

    @property
    def is_ours(self) -> bool:
        return not self.package

    @property
    def with_access_log(self) -> Server:
        return replace(self, command=f"{self.command.replace(self.log_off, '')} {self.log_on}")

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
_LOG_FILE = "--access-logfile -"

SERVERS: tuple[Server, ...] = (
    Server("hybrid-sync", "wsgi", _HYBRID + "-k sync {app}", log_on=_LOG_FILE),
    Server("hybrid-gthread", "wsgi", _HYBRID + "-k gthread --threads 4 {app}", log_on=_LOG_FILE),
    Server("hybrid-gevent", "wsgi", _HYBRID + "-k gevent {app}"),
    Server("hybrid-asgi", "asgi", _HYBRID + "-k asgi {app}", log_on=_LOG_FILE),
    Server("gunicorn-sync", "wsgi", _GUNICORN + "-k sync {app}", "gunicorn", log_on=_LOG_FILE),
    Server("gunicorn-gthread", "wsgi", _GUNICORN + "-k gthread --threads 4 {app}", "gunicorn", log_on=_LOG_FILE),
    Server("gunicorn-gevent", "wsgi", _GUNICORN + "-k gevent {app}", "gunicorn[gevent]", "packaging"),
    Server("gunicorn-asgi", "asgi", _GUNICORN + "-k asgi {app}", "gunicorn", log_on=_LOG_FILE),
    Server(
        "uvicorn-httptools",
        "asgi",
        _UVICORN + "--loop uvloop --http httptools {app}",
        "uvicorn[standard]",
        log_on="--log-level info",
        log_off="--no-access-log --log-level warning",
    ),
    Server("uvicorn-h11", "asgi", _UVICORN + "--loop asyncio --http h11 {app}", "uvicorn[standard]"),
    Server(
        "granian-wsgi",
        "wsgi",
        _GRANIAN + "--interface wsgi {app}",
        "granian[uvloop]",
        log_on="--access-log --log-level info",
        log_off="--no-access-log --log-level warning",
    ),
    Server(
        "granian-asgi",
        "asgi",
        _GRANIAN + "--interface asgi --loop uvloop {app}",
        "granian[uvloop]",
        log_on="--access-log --log-level info",
        log_off="--no-access-log --log-level warning",
    ),
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
    Server("waitress", "wsgi", "{bin}/waitress-serve --listen 127.0.0.1:{port} --threads 4 {app}", "waitress"),
    Server("cheroot", "wsgi", "{python} -m cheroot --bind 127.0.0.1:{port} --threads 4 {app}", "cheroot"),
    Server(
        "fastwsgi",
        "wsgi",
        "{bin}/fastwsgi --host 127.0.0.1 --port {port} --loglevel 0 {app}",
        "fastwsgi",
        "setuptools<81",
    ),
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
