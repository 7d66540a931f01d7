"""The worker that workers/README.md shows is one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.conftest import Serve
from tests.integration.server import ROOT


def test_the_worker_of_the_readme_serves_and_stops(serve: Serve, tmp_path: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", (ROOT / "workers" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "oneword.py").write_text("\n".join(code))
    (tmp_path / "site_app.py").write_text("def app(environ, start_response): ...\n")
    server = serve("site_app:app", "-k", "oneword:OneWordWorker", "-w", "2", environ={"PYTHONPATH": str(tmp_path)})
    server.wait_ready(2)
    assert [server.get().body for _ in range(4)] == [b"word"] * 4
    assert server.stop() == 0
