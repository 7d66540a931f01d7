"""From the name in `--worker-class` to the class, without importing any worker.

Ours are strings, so that `hybrid` never imports `hybrid_workers`; third parties register theirs
with the entry-point group "hybrid.workers"; a dotted path needs no registration.
"""

from __future__ import annotations

import importlib
from typing import cast

from hybrid.contract.worker import Worker
from hybrid.errors import SettingsError

GROUP = "hybrid.workers"

BUILT_IN = {
    "sync": "hybrid_workers.sync:SyncWorker",
    "gthread": "hybrid_workers.gthread:GThreadWorker",
    "gevent": "hybrid_workers.gevent:GeventWorker",
    "asgi": "hybrid_workers.asgi:AsgiWorker",
}


OTHER_SERVERS = ("gunicorn", "uvicorn", "uvicorn_worker")
"""Packages whose worker classes know another arbiter."""


def _refusal(name: str, what: str) -> str:
    return (
        f"worker class {name!r} {what}: it is written for another server's arbiter and cannot run under this one;"
        " choose -k asgi, sync, gthread or gevent, give what it configures as settings, or see docs/workers.md"
    )


def _bases(found: object) -> tuple[type, ...]:
    return found.__mro__ if isinstance(found, type) else ()


def _third_party() -> dict[str, str]:
    """What installed distributions register. Imported here: it costs a worker's boot 30 ms, and few need it."""
    from importlib.metadata import entry_points

    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def reference(name: str) -> str:
    """The "module:attribute" behind a worker class name. Raises SettingsError for an unknown plain name."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    third_party = _third_party()
    if name in third_party:
        return third_party[name]
    module, separator, attribute = name.replace(":", ".").rpartition(".")
    if separator:
        return f"{module}:{attribute}"
    known = ", ".join(["auto", *BUILT_IN, *third_party])
    raise SettingsError(f"worker class {name!r} is not known; choose one of {known}, or give a dotted path")


def load(name: str) -> type[Worker]:
    """Import the worker class behind a name. Raises SettingsError saying what is missing and how to get it."""
    module, _, attribute = reference(name).partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in OTHER_SERVERS:
            raise SettingsError(_refusal(name, f"imports {error.name}, which is not installed")) from error
        extra = "; install it with: pip install 'hybrid-arbiter[gevent]'" if error.name == "gevent" else ""
        raise SettingsError(f"worker class {name!r} cannot be imported from {module}: {error}{extra}") from error
    except AttributeError as error:
        raise SettingsError(f"worker class {name!r}: module {module} has no attribute {attribute!r}") from error
    base = next((base for base in _bases(found) if base.__module__.partition(".")[0] in OTHER_SERVERS), None)
    if base is not None:
        raise SettingsError(_refusal(name, f"is a {base.__module__}.{base.__qualname__}"))
    if not all(callable(getattr(found, method, None)) for method in ("boot", "serve", "stop")):
        raise SettingsError(
            f"worker class {name!r} has no boot(), serve() and stop(); see docs/workers.md for what a worker is"
        )
    return cast("type[Worker]", found)  # structural: the three methods were just checked
