"""`hybrid check` where there are several pools: each application in a process of its own, as when they are served.

Two applications in one process would share modules of one name, the environment and whatever one of them patches.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hybrid.errors import HybridError
from hybrid.routing import to_tables
from hybrid.routing.layout import lay_out
from hybrid.settings import Settings

if TYPE_CHECKING:
    from hybrid.cli.check import Checked


def check_pools(settings: Settings, one: Callable[[Settings], Checked], *, as_json: bool) -> int:
    """Print what is found of each pool and the routes; the exit code: of the first pool that cannot be loaded.

    Raises SettingsError for pools and routes that cannot be.
    """
    layout = lay_out(settings)
    documents: dict[str, object] = {}
    code = 0
    for pool in layout.pools:
        found = in_a_process(lambda settings=pool.settings: _as_values(one(settings)))  # type: ignore[misc]
        if "error" in found:
            _complain(pool.name, found["error"])
            code = code or int(found["code"])
        documents[pool.name] = found.get("document", found)
        if not as_json:
            fallback = f"fallback:     {pool.fallback}"
            lines = [f"pool:         {pool.name}", *found.get("lines", []), *([fallback] if pool.fallback else []), ""]
            click.echo("\n".join(lines))
    if as_json:
        click.echo(json.dumps({"pools": documents, "routes": to_tables(layout.routes)}, indent=2))
        return code
    for route in layout.routes:
        click.echo(f"route:        {route}")
    click.echo(f"route:        everything else={layout.pools[0].name}")
    return code


def fit_pools(settings: Settings, fit: Callable[[Settings], object]) -> int:
    """Load each application, silently; the exit code: 0, or 1 if one cannot be loaded. Raises SettingsError."""
    code = 0
    for pool in lay_out(settings).pools:
        found = in_a_process(lambda settings=pool.settings: _nothing(fit(settings)))  # type: ignore[misc]
        if "error" in found:
            _complain(pool.name, found["error"])
            code = 1
    return code


def in_a_process(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it returns, or `error` and `code`. What the application prints goes where ours does."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _answer(act, writing)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"code {os.WEXITSTATUS(status)}"
        return {"error": f"the process ended with {how} while the application was loaded", "code": 4}
    found: dict[str, Any] = json.loads(data)
    return found


def _answer(act: Callable[[], dict[str, Any]], writing: int) -> None:
    """The child's side. Never returns."""
    try:
        try:
            found = act()
        except HybridError as error:
            found = {"error": str(error), "code": getattr(error, "exit_code", 1)}
        with open(writing, "wb") as file:
            file.write(json.dumps(found).encode())
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _as_values(checked: Checked) -> dict[str, Any]:
    return {"document": checked.document, "lines": checked.lines}


def _nothing(_: object) -> dict[str, Any]:
    return {"document": None}


def _complain(pool: str, error: str) -> None:
    click.echo(f"hybrid: error: pool {pool}: {error}", err=True)
