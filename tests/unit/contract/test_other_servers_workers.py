"""A worker class that was written for another server's arbiter is refused, with what to do."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from hybrid.contract.registry import load
from hybrid.errors import SettingsError


def test_a_subclass_of_gunicorns_worker_is_refused_and_told_where_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = type("Worker", (), {"__module__": "gunicorn.workers.base"})
    module = ModuleType("my_workers")
    vars(module)["MyWorker"] = type("MyWorker", (theirs,), {})
    monkeypatch.setitem(sys.modules, "my_workers", module)
    with pytest.raises(SettingsError, match=r"is a gunicorn\.workers\.base\.Worker: .*docs/workers\.md"):
        load("my_workers.MyWorker")


def test_one_that_cannot_be_imported_without_that_server_is_refused_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    (tmp_path / "needs_it.py").write_text("import gunicorn.no_such_module\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SettingsError, match=r"imports gunicorn.*docs/workers\.md"):
        load("needs_it.Worker")
