"""What other servers call the worker classes that we have too: `-k uvicorn.workers.UvicornWorker` is our asgi."""

from __future__ import annotations

from typing import NamedTuple


class Ours(NamedTuple):
    """The worker class of ours that does the same; `http` is the parser that the other name also asks for."""

    name: str
    http: str = ""


_UVICORN = {
    f"{module}.{name}": Ours("asgi", http)
    for module in ("uvicorn.workers", "uvicorn_worker")
    for name, http in (("UvicornWorker", ""), ("UvicornH11Worker", "h11"))
}
_GUNICORN = {
    "gunicorn.workers.sync.SyncWorker": Ours("sync"),
    "gunicorn.workers.gthread.ThreadWorker": Ours("gthread"),
    "gunicorn.workers.ggevent.GeventWorker": Ours("gevent"),
    "gunicorn.workers.ggevent.GeventPyWSGIWorker": Ours("gevent"),
    "gunicorn.workers.gasgi.ASGIWorker": Ours("asgi"),
    "gevent_wsgi": Ours("gevent"),
    "gevent_pywsgi": Ours("gevent"),
}
_EGGS = {
    f"egg:gunicorn#{name}": Ours(ours)
    for name, ours in (
        ("sync", "sync"),
        ("gthread", "gthread"),
        ("gevent", "gevent"),
        ("gevent_wsgi", "gevent"),
        ("gevent_pywsgi", "gevent"),
        ("asgi", "asgi"),
    )
}

SAME = {**_UVICORN, **_GUNICORN, **_EGGS}
"""Another server's name -> ours."""

GONE = {
    "eventlet": "eventlet is no longer maintained; use -k gevent",
    "gunicorn.workers.geventlet.EventletWorker": "eventlet is no longer maintained; use -k gevent",
    "tornado": "a Tornado application serves itself; run it directly, or use its WSGI or ASGI side with -k auto",
    "gunicorn.workers.gtornado.TornadoWorker": "a Tornado application serves itself; run it directly",
}
"""Names for which there is nothing, and what to do instead."""


def ours(name: str) -> Ours | None:
    """The worker class that does what the one of this name does; None for a name that stands for itself."""
    return SAME.get(name.replace(":", ".") if not name.startswith("egg:") else name)
