"""The table of servers. A new peer is one entry.

One worker each, access log off, and whatever else makes the comparison fair is in the command, for
everybody to read. `{python}` and `{bin}` are the peers' environment, `{app}` is "module:attribute" in
the working directory, `{module}` and `{attribute}` its halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

CERTIFICATE = Path(__file__).parent / ".venv-peers" / "certificate.pem"
KEY = CERTIFICATE.with_name("key.pem")
"""Made for the run: see `benchmarks.certificate`."""


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

    is_pure: bool = False
    """Ours, as it is where nothing is compiled."""
    is_floor: bool = False
    """No server of applications: it answers Hello, World! to anything, to show what a connection costs at least."""
    tls: str = ""
    """Added to the command to serve https, with {certificate} and {key}. "" = not measured with TLS."""
    workers: str = ""
    """The words of the command that say one worker, to be replaced. "" = not measured with several."""
    preload: str = ""
    """Added to the command to import the application before the workers are made. "" = it cannot."""
    warmed: str = ""
    """Added to the command to have it also answer requests before that. "" = it cannot, and `preload` must do."""
    reload_signal: str = ""
    """The name of the signal that makes it load the application again. "" = it cannot, or not without a gap."""

    @property
    def is_ours(self) -> bool:
        return not self.package

    @property
    def with_access_log(self) -> Server:
        return replace(self, command=f"{self.command.replace(self.log_off, '')} {self.log_on}")

    def with_workers(self, count: int) -> Server:
        return replace(self, command=self.command.replace(self.workers, self.workers.replace("1", str(count))))

    @property
    def is_tls(self) -> bool:
        return bool(self.tls) and self.command.endswith(self.tls)

    def with_options(self, options: str) -> Server:
        return replace(self, command=f"{self.command} {options}")

    def arguments(self, *, python: str, bin: str, port: int, app: str) -> list[str]:
        """The command line of this server for one application."""
        module, _, attribute = app.partition(":")
        values = {
            "certificate": str(CERTIFICATE),
            "key": str(KEY),
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
_CERTFILE = "--certfile {certificate} --keyfile {key}"


def _hybrid(name: str, interface: str, options: str, log_on: str = _LOG_FILE) -> Server:
    return Server(
        f"hybrid-{name}",
        interface,
        f"{_HYBRID}{options} {{app}}",
        log_on=log_on,
        tls=_CERTFILE,
        workers="--workers 1",
        preload="--preload",
        warmed="--preload --preload-request /",
        reload_signal="SIGHUP",
    )


def _gunicorn(name: str, interface: str, options: str, package: str = "gunicorn", undeclared: str = "") -> Server:
    return Server(
        f"gunicorn-{name}",
        interface,
        f"{_GUNICORN}{options} {{app}}",
        package,
        undeclared,
        log_on=_LOG_FILE,
        tls=_CERTFILE,
        workers="--workers 1",
        preload="--preload",
        reload_signal="SIGHUP",
    )


def _uvicorn(name: str, options: str, undeclared: str = "") -> Server:
    return Server(
        f"uvicorn-{name}",
        "asgi",
        f"{_UVICORN}--workers 1 {options} {{app}}",
        "uvicorn[standard]",
        undeclared,
        log_on="--log-level info",
        log_off="--no-access-log --log-level warning",
        tls="--ssl-certfile {certificate} --ssl-keyfile {key}",
        workers="--workers 1",
    )


def _granian(interface: str, options: str = "") -> Server:
    return Server(
        f"granian-{interface}",
        interface,
        f"{_GRANIAN}--interface {interface} {options} {{app}}",
        "granian[uvloop]",
        log_on="--access-log --log-level info",
        log_off="--no-access-log --log-level warning",
        tls="--ssl-certificate {certificate} --ssl-keyfile {key}",
        workers="--workers 1",
        reload_signal="SIGHUP",
    )


def _fastpysgi(interface: str) -> Server:
    command = "{bin}/fastpysgi --host 127.0.0.1 --port {port} --loglevel 0 {app}"
    return Server(f"fastpysgi-{interface}", interface, command, "fastpysgi")


SERVERS: tuple[Server, ...] = (
    _hybrid("sync", "wsgi", "-k sync"),
    _hybrid("gthread", "wsgi", "-k gthread --threads 4"),
    _hybrid("gevent", "wsgi", "-k gevent"),
    _hybrid("asgi", "asgi", "-k asgi"),
    replace(_hybrid("sync-pure", "wsgi", "-k sync"), is_pure=True),
    replace(_hybrid("asgi-pure", "asgi", "-k asgi"), is_pure=True),
    _gunicorn("sync", "wsgi", "-k sync"),
    _gunicorn("gthread", "wsgi", "-k gthread --threads 4"),
    _gunicorn("gevent", "wsgi", "-k gevent", "gunicorn[gevent]", "packaging"),
    _gunicorn("asgi", "asgi", "-k asgi", undeclared="gunicorn_h1c"),
    _gunicorn("uvicorn", "asgi", "-k uvicorn_worker.UvicornWorker", "uvicorn-worker", "gunicorn"),
    _uvicorn("httptools", "--loop uvloop --http httptools"),
    _uvicorn("h11", "--loop asyncio --http h11"),
    _uvicorn("zttp", "--loop uvloop --http zttp", "zttp"),
    _granian("wsgi"),
    _granian("asgi", "--loop uvloop"),
    Server(
        "hypercorn",
        "asgi",
        "{bin}/hypercorn --bind 127.0.0.1:{port} --workers 1 --worker-class uvloop --log-level warning {app}",
        "hypercorn[uvloop]",
        tls=_CERTFILE,
    ),
    Server("daphne", "asgi", "{bin}/daphne --bind 127.0.0.1 --port {port} --verbosity 0 {app}", "daphne"),
    Server(
        "socketify-wsgi",
        "wsgi",
        "{python} -m socketify {app} --host 127.0.0.1 --port {port} --workers 1 --interface wsgi",
        "socketify",
    ),
    Server(
        "socketify-asgi",
        "asgi",
        "{python} -m socketify {app} --host 127.0.0.1 --port {port} --workers 1 --interface asgi",
        "socketify",
    ),
    Server(
        "uwsgi",
        "wsgi",
        "{bin}/uwsgi --http11-socket 127.0.0.1:{port} --module {module} --callable {attribute} --master "
        "--processes 1 --die-on-term --disable-logging --need-app --lazy-apps --virtualenv {bin}/..",
        "uwsgi",
        workers="--processes 1",
        reload_signal="SIGHUP",
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
    _fastpysgi("wsgi"),
    _fastpysgi("asgi"),
    Server("floor-uvloop", "asgi", "{python} floor_uvloop.py {port}", "uvloop", is_floor=True),
    Server("floor-nginx", "asgi", "{python} floor_nginx.py {port}", "uvloop", is_floor=True),
)

BASELINE = {"wsgi": "hybrid-sync", "asgi": "hybrid-asgi"}
"""The server that ratios are given against, by interface."""
