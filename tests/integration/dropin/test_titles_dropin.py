"""`--name` with the package setproctitle: what `ps` shows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Serve

if importlib.util.find_spec("setproctitle") is None or not sys.platform.startswith("linux"):
    pytest.skip("needs Linux and setproctitle: pip install 'hybrid-arbiter[title]'", allow_module_level=True)


def shown(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


@pytest.mark.parametrize(("options", "base"), [((), "site_app:app"), (("-n", "shop"), "shop")])
def test_processes_are_called_by_their_role_and_name(
    serve: Serve, tmp_path: Path, options: tuple[str, ...], base: str
) -> None:
    (tmp_path / "site_app.py").write_text("def app(environ, start_response): ...\n")
    server = serve("site_app:app", *options)
    (worker,) = server.wait_ready()
    assert shown(server.pid) == f"hybrid: arbiter [{base}]"
    assert shown(worker) == f"hybrid: worker [{base}] main/0"
    assert server.stop() == 0
